"""Connections as pages and protocols see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from misentinel.kernel import settings
from misentinel.kernel.errors import NotSignedIn
from misentinel.teammates.contracts import Permission

GOOGLE_ISSUER = "https://accounts.google.com"


class ConnectionKind(StrEnum):
    OIDC = "oidc"
    SAML = "saml"


class NotBelieved(NotSignedIn):
    """What came back from the provider does not prove who somebody is. `reason` is an enumerated word for the trail."""

    code = "not_believed"

    def __init__(self, reason: str, told: str) -> None:
        super().__init__(told, reason=reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the provider named. `subject` is its own name for them; `email` is casefolded and vouched for."""

    email: str
    name: str
    subject: str


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """One customer's identity provider, without its secret."""

    id: UUID
    customer_id: UUID
    kind: ConnectionKind
    google: bool
    name: str
    issuer: str
    client_id: str
    sign_in_url: str
    certificates: tuple[str, ...]
    own_certificate: str
    domains: tuple[str, ...]
    tested_at: datetime | None
    enforced: bool
    break_glass_id: UUID | None
    just_in_time: bool
    default_permissions: frozenset[Permission]
    ceiling: frozenset[Permission]

    @property
    def callback_url(self) -> str:
        """Where an OIDC provider sends the browser back: one for each connection, against mix-up (RFC 9700, 4.4.2)."""
        return f"{settings.load().base_url}/sign-in/company/{self.id}/callback"

    @property
    def acs_url(self) -> str:
        """The assertion consumer service of SAML."""
        return f"{settings.load().base_url}/sign-in/company/{self.id}/acs"

    @property
    def entity_id(self) -> str:
        """Our name at a SAML provider: another for each connection, so that no assertion fits two."""
        return f"{settings.load().base_url}/sign-in/company/{self.id}"


@dataclass(frozen=True, slots=True)
class Onward:
    """A sign-in that has begun: where the browser goes, and what its session must remember."""

    id: UUID
    url: str
    name: str


@dataclass(frozen=True, slots=True)
class SignedOn:
    """How a sign-in ended. `enrolment_id` is set for one who has no second factor yet and must enrol one first;
    `tested` for an administrator's test, which signs nobody in: `teammate_id` is then the tester's.
    """

    teammate_id: UUID
    customer_id: UUID
    email: str
    enrolment_id: UUID | None = None
    tested: bool = False
