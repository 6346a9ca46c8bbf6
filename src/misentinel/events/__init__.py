"""What people did: items of the Segment protocol, received once, stored sealed, told to whoever reacts.

Promises: an item is answered for only when it is durable; a repeated messageId changes nothing; a payment
card number is refused and never stored or logged; what an event says is readable only with its person's
key.
"""
