"""What people do in these tests: set a connection up, begin, and come back."""

from __future__ import annotations

import re
from uuid import UUID

from django.http import HttpResponse
from django.test import Client

from misentinel.kernel.actor import system
from misentinel.kernel.clock import now
from misentinel.teammates.actions import connecting
from misentinel.teammates.models import Connection, Teammate
from misentinel.teammates.sso.contracts import ConnectionView
from tests.cast import browser, hire

OPERATOR = system("test")


def hire_at(customer_id: UUID, email: str, **options) -> Teammate:
    """A whole teammate with exactly this address."""
    teammate = hire(customer_id, "Nadia", **options)
    Teammate.objects.filter(email=email).delete()
    teammate.email = email
    teammate.save(update_fields=["email"])
    return teammate


def connect_oidc(
    customer_id: UUID, issuer: str, domains: str, secret: str = "x" * 30, google: bool = False
) -> ConnectionView:
    made = connecting.add_oidc(
        OPERATOR, customer_id, name="Acme sign-in", domains=domains, client_id="misentinel", secret=secret,
        issuer=issuer,
    )  # fmt: skip
    Connection.objects.filter(id=made.id).update(tested_at=now(), google=google)
    return made


def connect_saml(customer_id: UUID, certificate: str, domains: str) -> ConnectionView:
    made = connecting.add_saml(
        OPERATOR, customer_id, name="Acme sign-in", domains=domains, entity_id="https://id.acme.example.com/saml",
        sign_in_url="https://id.acme.example.com/sign-in", certificates=certificate,
    )  # fmt: skip
    Connection.objects.filter(id=made.id).update(tested_at=now())
    return made


def begin(email: str, client: Client | None = None, **form: str) -> tuple[Client, str]:
    """Types the address on the sign-in page. Returns the browser and where the provider is."""
    client = client or browser()
    page = client.post("/sign-in/company", {"email": email, **form}, secure=True)
    assert page.status_code == 200, page.content.decode()
    return client, onward(page)


def onward(page: HttpResponse) -> str:
    delay, url = page["Refresh"].split("; url=")
    assert delay == "0"
    assert re.search(r'href="([^"]+)" rel="noreferrer"', page.content.decode())[1].replace("&amp;", "&") == url
    return url
