"""Sends one person and one event with Segment's own Python SDK, as a stranger would.

WRITE_KEY=msw_… REQUESTS_CA_BUNDLE=var/tls/authority.pem python examples/send_events.py
"""

from __future__ import annotations

import os

from segment.analytics import Client

client = Client(
    os.environ["WRITE_KEY"], host=os.environ.get("MISENTINEL_URL", "https://localhost:8443"), sync_mode=True
)
client.identify("user-17", {"email": "zoe@example.com", "firstName": "Zoe", "plan": "pro"})
client.track("user-17", "Order Completed", {"total": 42.5, "currency": "GBP"})
print("Sent. Look under People, and at the trail.")
