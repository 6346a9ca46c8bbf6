"""Sends one of every call with segment-analytics-python, as its manual shows."""

import sys

from segment.analytics import Client

host, write_key, person = sys.argv[1:]
failures: list[object] = []
client = Client(
    write_key, host=host, gzip=True, max_retries=0, on_error=lambda failure, items: failures.append(failure)
)
client.page(anonymous_id=f"{person}-device", name="Pricing", properties={"path": "/pricing"})
client.identify(person, {"email": f"{person}@example.com", "plan": "pro"}, anonymous_id=f"{person}-device")
client.track(person, "Plan selected", {"price": 9.5, "café": "東京"})
client.screen(person, name="Start")
client.group(person, "g-1", {"seats": 7})
client.alias(f"{person}-before", person)
client.flush()
client.join()
sys.exit(1 if failures else 0)
