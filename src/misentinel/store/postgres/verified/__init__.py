"""Django's PostgreSQL back end, opened only to servers that prove who they are; see `transport`."""
