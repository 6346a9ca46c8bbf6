"""A customer's datastore: one PostgreSQL database per customer, reached as that customer's own role.

Promises that no query on a store's models runs without a store that was named, that one customer's role cannot
connect to another's database, and that data is only placed where a cluster's location is in the United Kingdom.
Holds the embedded clusters, provisioning from a migrated template, fleet migration and each store's outbox.
"""
