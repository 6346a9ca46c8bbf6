"""Asha owns Acme; Olga is of the operator's staff."""

from __future__ import annotations

import pytest


@pytest.fixture
def asha(acme):
    from tests.cast import hire

    return hire(acme.customer_id, "Asha")


@pytest.fixture
def olga():
    from tests.cast import join_staff

    return join_staff("Olga")
