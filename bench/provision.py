"""How fast customers are made and how fast a cold store answers its first request, beside a bare CREATE DATABASE.

Prints two lines of JSON: {metric, ours, reference, ratio, target}; `ratio` is oriented so that higher is better.
"""

from __future__ import annotations

import statistics
import time

import ground
import psycopg

CUSTOMERS = 40
TARGET_SECONDS = 0.3


def main() -> None:
    with ground.prepared():
        from misentinel.customers.actions import create_customer
        from misentinel.kernel.actor import system
        from misentinel.store.clusters import get_cluster
        from misentinel.store.queries import get_store
        from misentinel.trail.queries import list_entries

        create_customer(system("bench"), "Warm up", slug="warm-up")
        dsn = get_cluster("main").dsn
        ours, reference, cold, bare = [], [], [], []
        for n in range(CUSTOMERS):
            started = time.perf_counter()
            customer = create_customer(system("bench"), f"Customer {n}", slug=f"customer-{n}")
            ours.append(time.perf_counter() - started)
            started = time.perf_counter()
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE reference_{n} TEMPLATE template0 STRATEGY WAL_LOG")
            reference.append(time.perf_counter() - started)
            store = get_store(customer.id)
            store.connection.close()
            ground.forget_connections(store)
            started = time.perf_counter()
            list_entries(store, limit=1)
            cold.append(time.perf_counter() - started)
            started = time.perf_counter()
            with psycopg.connect(dsn) as connection:
                connection.execute("SELECT 1").fetchone()
            bare.append(time.perf_counter() - started)
        per_second = CUSTOMERS / sum(ours)
        ground.report(
            "customers created per second (key, role, database); reference: bare CREATE DATABASE",
            ours=per_second, reference=CUSTOMERS / sum(reference), ratio=per_second * sum(reference) / CUSTOMERS,
            target=f"<= {TARGET_SECONDS} s each (slowest here {max(ours):.3f} s)",
        )  # fmt: skip
        ground.report(
            "first request to a cold store, seconds p50; reference: connect and SELECT 1",
            ours=statistics.median(cold), reference=statistics.median(bare),
            ratio=statistics.median(bare) / statistics.median(cold), target="none",
        )  # fmt: skip


if __name__ == "__main__":
    main()
