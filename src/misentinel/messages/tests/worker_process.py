"""A worker of its own, to be killed: sends one store's messages until none is left.

Arguments: the customer's id, the mail server's port, how many connections.
"""

from __future__ import annotations

import os
import sys
import time
from uuid import UUID

LEASE_SECONDS = 1.0


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "misentinel.site.settings"
    import django

    django.setup()
    from misentinel.messages.jobs import send_due
    from misentinel.messages.models import DeliveryRow
    from misentinel.messages.tests.people import mailer
    from misentinel.store.queries import get_store

    store = get_store(UUID(sys.argv[1]))
    how = mailer(int(sys.argv[2]), connections=int(sys.argv[3]))
    unfinished = DeliveryRow.objects.using(store.alias).filter(state__in=["queued", "claimed", "sending"])
    print("ready", flush=True)
    while unfinished.exists():
        send_due(store, how, lease_seconds=LEASE_SECONDS)
        time.sleep(0.05)


main()
