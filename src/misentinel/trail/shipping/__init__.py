"""Shipping: sealed entries to where somebody else keeps them too, in the order of the log, each at least once.

Promises that nothing is skipped (one durable cursor for each sink), that what comes twice can be told by its index and
entry id, and that a sink outside the UK gets no personal data. It does not promise to be fast for a sink that is slow.
"""
