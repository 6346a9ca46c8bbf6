"""Manual and auto messages: what is written, to whom it goes, and what became of each copy.

Promises that a message reaches a person at most once for the same reason, that whoever unsubscribed is left
in peace, that content and addresses rest sealed, and that a worker killed at any moment loses no message
and doubles none.
"""
