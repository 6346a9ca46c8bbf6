"""The demo customer: what a newcomer needs to have somewhere to look around in. Made once, piece by piece.

A piece that is there already is left as it is, and its secret is not shown again: only its maker ever sees one.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from misentinel.customers.actions import create_customer
from misentinel.customers.queries import find_customer
from misentinel.kernel.actor import Actor, system
from misentinel.teammates.actions import create_credential, invite_teammate, renew_enrolment
from misentinel.teammates.contracts import GRANTABLE, CredentialKind
from misentinel.teammates.queries import find_teammate_by_email, list_credentials
from misentinel.teammates.roles import OWNER

SLUG = "acme"
_NAME = "Acme"
_OWNER = ("asha@example.com", "Asha")
_WRITE_KEY = "Demo write key"
_API_TOKEN = "Demo API token"  # noqa: S105  a name, not a secret


@dataclass(frozen=True, slots=True)
class Demo:
    """What to tell a newcomer. A secret is empty when it was made on an earlier start."""

    slug: str
    customer_id: UUID
    owner: str
    enrolment_path: str
    write_key: str
    api_token: str


def ensure_demo() -> Demo:
    """Creates what is missing of the demo customer. The owner's link is renewed until they have enrolled."""
    actor = system("demo")
    customer = find_customer(SLUG) or create_customer(actor, _NAME, slug=SLUG)
    link = _owner_link(actor, customer.id)
    names = {credential.name for credential in list_credentials(customer.id)}
    write_key = api_token = ""
    if _WRITE_KEY not in names:
        write_key = create_credential(actor, customer.id, CredentialKind.WRITE_KEY, name=_WRITE_KEY).secret
    if _API_TOKEN not in names:
        made = create_credential(actor, customer.id, CredentialKind.API_TOKEN, name=_API_TOKEN, permissions=GRANTABLE)
        api_token = made.secret
    return Demo(SLUG, customer.id, _OWNER[0], link, write_key, api_token)


def _owner_link(actor: Actor, customer_id: UUID) -> str:
    email, name = _OWNER
    owner = find_teammate_by_email(customer_id, email)
    if owner is None:
        return invite_teammate(actor, customer_id, email=email, name=name, role=OWNER).path
    if owner.enrolled_at is not None or owner.suspended_at is not None:
        return ""
    return renew_enrolment(actor, customer_id, owner.id).path
