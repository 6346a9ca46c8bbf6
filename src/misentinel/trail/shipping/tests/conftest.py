"""A log with something in it, and receivers that are trusted. The program is imported only when it is set up."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def certificate():
    from misentinel.kernel import settings
    from misentinel.site.serving.authority import ensure_certificate

    return ensure_certificate(settings.load())


@pytest.fixture(autouse=True)
def trusting(certificate, monkeypatch) -> None:
    monkeypatch.setenv("MISENTINEL_OUTGOING_AUTHORITY", str(certificate.authority))


@pytest.fixture
def log(acme):
    from misentinel.trail.queries import log_of
    from misentinel.trail.shipping.tests.ground import tell

    tell(acme, 20)
    return log_of(acme)
