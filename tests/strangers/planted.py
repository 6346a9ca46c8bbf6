"""The program with a hole in it, so that a stranger's scan can show that it would see one. Never shipped.

`PLANTED=neighbours` asks every store for a person, not the caller's alone; `PLANTED=open` takes whoever shows no key
for the owner of `PLANTED_KEY`.
"""

from __future__ import annotations

import os

from misentinel.site.wsgi import application

from misentinel.customers.queries import list_customers  # isort: skip  Django is set up by the line above
from misentinel.kernel.errors import MiSentinelError, NotFound  # isort: skip
from misentinel.people import queries as people  # isort: skip
from misentinel.store.queries import get_store  # isort: skip
from misentinel.teammates.queries import principal_of_secret  # isort: skip
from misentinel.web import identity  # isort: skip

__all__ = ["application"]
_get_person, _identify = people.get_person, identity.identify


def _get_person_of_anybody(store, person_id):
    for customer in list_customers():
        try:
            return _get_person(get_store(customer.id), person_id)
        except MiSentinelError:
            continue
    raise NotFound("There is no such person.")


def _identify_generously(request, edge):
    found = _identify(request, edge)
    return found if found.credential or edge != "api" else principal_of_secret(os.environ["PLANTED_KEY"])


if os.environ["PLANTED"] == "neighbours":
    people.get_person = _get_person_of_anybody
else:
    identity.identify = _identify_generously
