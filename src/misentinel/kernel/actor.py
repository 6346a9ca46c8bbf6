"""Who acts: the second argument of every action and the first answer of every trail entry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from misentinel.kernel.ids import new_id

OPERATOR_ID = UUID("00000000-0000-8000-8000-000000000001")
"""Stands where a customer's id does for what belongs to the installation itself: its staff. It has no store."""


class ActorKind(StrEnum):
    """What kind of party acts. The values are stored on the trail and never change."""

    TEAMMATE = "teammate"
    API_TOKEN = "api_token"  # noqa: S105  a kind, not a secret
    WRITE_KEY = "write_key"
    PROVISIONING_KEY = "provisioning"
    PERSON = "person"
    OPERATOR = "operator"
    SYSTEM = "system"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Actor:
    """A party with what it showed to be let in.

    `id` is opaque (never a name or an address), `credential` names the session, key or token by its public id,
    `address` is where the request came from, `request_id` ties entries, log lines and answers together. `access` is
    the id of the access that a customer gave, where the operator's staff act by one.
    """

    kind: ActorKind
    id: str
    credential: str = ""
    address: str = ""
    request_id: str = ""
    access: str = ""

    def with_request(self, request_id: str) -> Actor:
        return replace(self, request_id=request_id)


def system(part: str) -> Actor:
    """The program itself, acting through `part`, for example "worker" or "migrate"."""
    return Actor(ActorKind.SYSTEM, part, request_id=str(new_id()))


COMMAND_LINE = "command-line"


def operator(login: str, access: str = "") -> Actor:
    """The operator's staff at the command line, named by their operating system login."""
    return Actor(ActorKind.OPERATOR, login, credential=COMMAND_LINE, request_id=str(new_id()), access=access)


def anonymous(address: str = "", request_id: str = "") -> Actor:
    return Actor(ActorKind.ANONYMOUS, "", address=address, request_id=request_id)
