"""Django's PostgreSQL back end for stores: connections come from one bounded, least-recently-used pool a process."""
