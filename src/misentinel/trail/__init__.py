"""The trail: who did or saw what, in the same transaction as the change, in each customer's own store.

Promises that an entry cannot be changed or removed by the role the program uses, that it holds no person's data in
clear, and that what happens to control data reaches the customer's own trail too.
"""
