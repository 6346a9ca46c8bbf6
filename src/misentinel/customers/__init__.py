"""Customers: the businesses that use the service, each with a store of its own, and their settings."""
