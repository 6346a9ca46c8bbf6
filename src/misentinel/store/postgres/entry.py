"""The entry of Django's DATABASES for a set of libpq parameters."""

from __future__ import annotations

from typing import Any


def django_database(parameters: dict[str, Any], engine: str, *, max_age: int | None = 0) -> dict[str, Any]:
    """Returns the entry. `max_age` is how many seconds a connection stays with its thread; 0 gives it back at once."""
    rest = dict(parameters)
    return {
        "ENGINE": engine,
        "NAME": rest.pop("dbname", ""),
        "USER": rest.pop("user", ""),
        "PASSWORD": rest.pop("password", ""),
        "HOST": rest.pop("host", ""),
        "PORT": str(rest.pop("port", "")),
        "OPTIONS": {"connect_timeout": 10, **rest},
        "CONN_MAX_AGE": max_age,
        "CONN_HEALTH_CHECKS": max_age != 0,
        "AUTOCOMMIT": True,
        "ATOMIC_REQUESTS": False,
        "TIME_ZONE": None,
        "DISABLE_SERVER_SIDE_CURSORS": False,
        "TEST": {"CHARSET": None, "COLLATION": None, "MIGRATE": True, "MIRROR": None, "NAME": None},
    }
