"""Who acts: the second argument of every action and the first answer of every trail entry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from misentinel.kernel.ids import new_id


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
    `address` is where the request came from, `request_id` ties entries, log lines and answers together.
    """

    kind: ActorKind
    id: str
    credential: str = ""
    address: str = ""
    request_id: str = ""

    def with_request(self, request_id: str) -> Actor:
        return replace(self, request_id=request_id)


def system(part: str) -> Actor:
    """The program itself, acting through `part`, for example "worker" or "migrate"."""
    return Actor(ActorKind.SYSTEM, part, request_id=str(new_id()))


def operator(login: str) -> Actor:
    """The operator's staff at the command line, named by their operating system login."""
    return Actor(ActorKind.OPERATOR, login, credential="command-line", request_id=str(new_id()))


def anonymous(address: str = "", request_id: str = "") -> Actor:
    return Actor(ActorKind.ANONYMOUS, "", address=address, request_id=request_id)
