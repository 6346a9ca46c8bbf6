"""The people a customer knows: who they are, what is known about them, and which identifiers are theirs.

Promises: what is known is readable only with the person's own key; what rules may look at is numbers, booleans, dates
and one-way tokens; two identifiers of one person become one person, and nothing of theirs is lost or left behind.
"""
