"""Bringing the databases to the program's schema. Safe to repeat; resumes where it was stopped."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.db.utils import OperationalError

from misentinel.kernel.errors import Unavailable
from misentinel.site import wiring
from misentinel.store import provisioning
from misentinel.store.provisioning import first_line
from misentinel.vault import actions as vault_actions


def prepare(told: Callable[[str], None] = lambda step: None) -> None:
    """Migrates control and vault, makes the stores' templates, connects ports and adapters.

    Raises `Unavailable` naming the database that cannot be reached, `Misconfigured` if the root key is not the vault's.
    """
    for alias, name in (("default", "control"), ("vault", "vault")):
        told(f"migrating the {name} database")
        check_reachable(alias, name)
        call_command("migrate", database=alias, verbosity=0, interactive=False, skip_checks=True)
    vault_actions.ensure_root_key(settings.MISENTINEL)
    told("preparing the template of a customer's store")
    provisioning.prepare_clusters()
    wiring.connect()


def check_reachable(alias: str, name: str) -> None:
    try:
        connections[alias].ensure_connection()
    except OperationalError as error:
        raise Unavailable(
            f"The {name} database cannot be reached: {first_line(error)}. "
            "If it is the embedded one, `misentinel run` starts it."
        ) from error
