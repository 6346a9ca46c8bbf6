"""One entry as an event of OCSF 1.8. Nothing is opened on the way: what is sealed stays sealed, ids stay opaque.

Whatever OCSF has no place for is under `unmapped`, in our own words, so that an export loses nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from functools import cache
from importlib.metadata import version
from ipaddress import ip_address
from typing import Any, Protocol
from uuid import UUID

from misentinel.kernel.actor import ActorKind
from misentinel.trail.contracts import Outcome
from misentinel.trail.ocsf.vocabulary import CATEGORIES, CLASSES, MEANINGS, VERSION, EventClass, Meaning, Severity

_PRODUCT = "MiSentinel"
_FINDING, _ACCOUNT, _AUTHENTICATION, _ENTITY, _RIGHTS, _WEB, _LIFECYCLE, _API, _DATA = CLASSES
_UNKNOWN = Meaning(_API, "Other")
_BY_VALUE = {tag.value: meaning for tag, meaning in MEANINGS.items()}
_RELATIONAL, _OTHER = 1, 99
_USER_TYPES = {
    ActorKind.TEAMMATE: 1, ActorKind.PERSON: 1, ActorKind.OPERATOR: 2, ActorKind.SYSTEM: 3, ActorKind.API_TOKEN: 4,
    ActorKind.WRITE_KEY: 4, ActorKind.PROVISIONING_KEY: 4, ActorKind.ANONYMOUS: 0,
}  # fmt: skip
_USER_TYPE_NAMES = {0: "Unknown", 1: "User", 2: "Admin", 3: "System", 4: "Service"}
_ACCOUNTS = {"teammate", "operator", "person"}  # kinds of objects that are accounts of somebody


class Row(Protocol):
    """What an event is made from: a row of `trail_entry`."""

    id: UUID
    at: datetime
    customer_id: UUID | None
    tag: str
    outcome: str
    actor_kind: str
    actor_id: str
    credential: str
    address: str
    object_kind: str
    object_id: str
    person_id: UUID | None
    request_id: str
    details: dict[str, Any]
    before: bytes | memoryview | None
    after: bytes | memoryview | None


def class_of(tag: str) -> EventClass:
    """Returns the class that entries with this tag are of; API Activity for a tag that another version wrote."""
    return _meaning(tag).event_class


def to_ocsf(entry: Row, index: int | None = None) -> dict[str, Any]:
    """Returns the entry as a dict that is valid by OCSF 1.8: plain JSON types, times in milliseconds since 1970, no
    nulls. `index` is the entry's place in the sealed log, left out while it is not sealed. Holds no person's data in
    clear: `before` and `after` are there as the ciphertext they are stored as.
    """
    meaning = _meaning(entry.tag)
    found = meaning.event_class
    event: dict[str, Any] = {
        "activity_id": meaning.activity_id,
        "activity_name": meaning.activity if meaning.activity != "Other" else entry.tag,
        "category_uid": found.category_uid,
        "category_name": CATEGORIES[found.category_uid],
        "class_uid": found.uid,
        "class_name": found.name,
        "type_uid": found.uid * 100 + meaning.activity_id,
        "type_name": f"{found.name}: {meaning.activity}",
        "time": _milliseconds(entry.at),
        "message": entry.tag,
        "metadata": _metadata(entry, index, found),
        "unmapped": _unmapped(entry, index),
        **_severity(meaning, entry.outcome),
        **_status(found, entry.outcome),
    }
    return {**event, **_SPECIAL[found.uid](entry)}


def _meaning(tag: str) -> Meaning:
    """An old entry outlives its tag, and must not stop what exports it."""
    return _BY_VALUE.get(tag, _UNKNOWN)


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _metadata(entry: Row, index: int | None, found: EventClass) -> dict[str, Any]:
    told: dict[str, Any] = {
        "version": VERSION,
        "product": _product(),
        "uid": str(entry.id),
        "event_code": entry.tag,
        "log_name": "trail",
    }
    if entry.customer_id is not None:
        told["tenant_uid"] = str(entry.customer_id)
    if entry.request_id:
        told["correlation_uid"] = entry.request_id
    if index is not None:
        told["sequence"] = index
    if found in (_FINDING, _WEB, _LIFECYCLE):  # these have an actor in this profile only
        told["profiles"] = ["host"]
    return told


@cache
def _version() -> str:
    return version("misentinel")


def _product() -> dict[str, Any]:
    return {"name": _PRODUCT, "vendor_name": _PRODUCT, "version": _version()}


def _unmapped(entry: Row, index: int | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "tag": entry.tag,
        "outcome": entry.outcome,
        "log_index": index,
        "actor_kind": entry.actor_kind,
        "object_kind": entry.object_kind,
        "object_id": entry.object_id,
        "person_id": None if entry.person_id is None else str(entry.person_id),
        "details": entry.details,
        "before_sealed": _sealed(entry.before),
        "after_sealed": _sealed(entry.after),
    }
    return {name: value for name, value in told.items() if value not in (None, "", {})}


def _sealed(value: object) -> str | None:
    """The ciphertext in base64. What was opened for somebody's eyes is no ciphertext, and stays out."""
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    return None


def _severity(meaning: Meaning, outcome: str) -> dict[str, Any]:
    grave = meaning.severity if outcome == Outcome.DONE else max(meaning.severity, Severity.LOW)
    return {"severity_id": int(grave), "severity": grave.name.capitalize()}


def _status(found: EventClass, outcome: str) -> dict[str, Any]:
    if found is _FINDING:  # its status is that of the case somebody makes of it
        return {"status_id": 1, "status": "New", "status_detail": outcome}
    done = outcome == Outcome.DONE
    return {"status_id": 1 if done else 2, "status": "Success" if done else "Failure", "status_detail": outcome}


def _actor(entry: Row) -> dict[str, Any]:
    actor: dict[str, Any] = {"user": _user_of_actor(entry), "app_name": _PRODUCT}
    if entry.credential and entry.actor_kind == ActorKind.TEAMMATE:
        actor["session"] = {"uid": entry.credential}
    return actor


def _user_of_actor(entry: Row) -> dict[str, Any]:
    kind = _USER_TYPES[ActorKind(entry.actor_kind)]
    user: dict[str, Any] = {
        "uid": entry.actor_id or entry.actor_kind,
        "type_id": kind,
        "type": _USER_TYPE_NAMES[kind],
    }
    if entry.credential:
        user["credential_uid"] = entry.credential
    return user


def _source(entry: Row) -> dict[str, Any]:
    """Where it came from: an address, or for what has none the part that acted."""
    if entry.address:
        try:
            return {"ip": str(ip_address(entry.address))}
        except ValueError:
            return {"name": entry.address}
    return {"svc_name": entry.credential or entry.actor_kind}


def _who(entry: Row) -> dict[str, Any]:
    return {"actor": _actor(entry), "src_endpoint": _source(entry)}


def _affected(entry: Row) -> dict[str, Any]:
    """The account it happened to: the object where that is an account, or else whoever acted."""
    if entry.object_kind in _ACCOUNTS and entry.object_id:
        return {"uid": entry.object_id, "type_id": 1, "type": "User"}
    return _user_of_actor(entry)


def _finding(entry: Row) -> dict[str, Any]:
    return {
        "finding_info": {"uid": str(entry.id), "title": entry.tag},
        "evidences": [_who(entry)],
        "actor": _actor(entry),
    }


def _account(entry: Row) -> dict[str, Any]:
    return {**_who(entry), "user": _affected(entry)}


def _authentication(entry: Row) -> dict[str, Any]:
    return {**_who(entry), "user": _affected(entry), "service": {"name": _PRODUCT}}


def _entity(entry: Row) -> dict[str, Any]:
    noun = entry.object_kind or entry.tag.partition(":")[0]
    entity = {"uid": entry.object_id, "name": noun, "type": noun, "type_id": _OTHER}
    return {**_who(entry), "entity": {name: value for name, value in entity.items() if value}}


def _rights(entry: Row) -> dict[str, Any]:
    return {**_who(entry), "user": _affected(entry), "privileges": _privileges(entry)}


def _privileges(entry: Row) -> list[str]:
    """Which ones, as far as the entry tells; the kind of object that was opened or closed otherwise."""
    for name in ("permissions", "permission", "role", "role_id"):
        told = entry.details.get(name)
        if isinstance(told, str) and told:
            return [told]
        if isinstance(told, list) and told:
            return [str(each) for each in told]
    return [entry.object_kind or entry.tag]


def _web(entry: Row) -> dict[str, Any]:
    resource: dict[str, Any] = {"name": entry.object_kind or entry.tag.partition(":")[0], "type": "page"}
    if entry.object_id:
        resource["uid"] = entry.object_id
    return {**_who(entry), "web_resources": [resource], **_http_request(entry)}


def _http_request(entry: Row) -> dict[str, Any]:
    """The method and the route's pattern, as the gate writes them; ids in a path are in its pattern only."""
    method, space, path = str(entry.details.get("route", "")).partition(" ")
    if not space:
        return {}
    request: dict[str, Any] = {"http_method": method, "url": {"path": path}}
    if entry.request_id:
        request["uid"] = entry.request_id
    return {"http_request": request}


def _lifecycle(entry: Row) -> dict[str, Any]:
    return {"actor": _actor(entry), "app": _product()}


def _api(entry: Row) -> dict[str, Any]:
    api: dict[str, Any] = {"operation": entry.tag, "service": {"name": _PRODUCT}}
    if entry.request_id:
        api["request"] = {"uid": entry.request_id}
    return {**_who(entry), "api": api, **_http_request(entry)}


def _data(entry: Row) -> dict[str, Any]:
    name = "control" if entry.customer_id is None else str(entry.customer_id)
    table = entry.object_kind or entry.tag.partition(":")[0]
    return {
        **_who(entry),
        "database": {"name": name, "type_id": _RELATIONAL, "type": "Relational"},
        "table": {"name": table},
        **_http_request(entry),
    }


_SPECIAL: dict[int, Callable[[Row], dict[str, Any]]] = {
    _FINDING.uid: _finding, _ACCOUNT.uid: _account, _AUTHENTICATION.uid: _authentication, _ENTITY.uid: _entity,
    _RIGHTS.uid: _rights, _WEB.uid: _web, _LIFECYCLE.uid: _lifecycle, _API.uid: _api, _DATA.uid: _data,
}  # fmt: skip
