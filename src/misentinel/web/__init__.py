"""The edges that speak HTTP: each parses, has the gate permit, calls one action or query, and answers."""
