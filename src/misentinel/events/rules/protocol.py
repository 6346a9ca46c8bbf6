"""The Segment HTTP tracking protocol: from the bytes of a request to items with a verdict each.

The rules are those of Segment's public specification ("HTTP API Source", "Spec: Common Fields"): 32 KB an
item, 500 KB a batch, a userId or an anonymousId on every item, and the moment of an event corrected for
the sender's clock. Its SDKs drop a whole batch on a 400, so `Malformed` is raised only where nothing in
the request can be used.
"""

from __future__ import annotations

import hashlib
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from misentinel.events.contracts import Batch, Item, ItemType, Reason, Status, Verdict
from misentinel.events.rules import slices
from misentinel.events.rules.cards import find_card
from misentinel.kernel.errors import Malformed, TooLarge
from misentinel.kernel.ids import new_id

ITEM_LIMIT = 32 * 1024
BATCH_LIMIT = 500 * 1024
MOST_ITEMS = 20_000  # more than 500 KB of the shortest usable items; each gets a verdict, which is longer than `0`
DEPTH_LIMIT = 32
ID_LIMIT = 255
NAME_LIMIT = 255

_GZIP = b"\x1f\x8b"
_TYPES = {kind.value: kind for kind in ItemType}
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


class Refusal(Exception):
    """An item cannot be stored, for `code`. The message never repeats a value."""

    def __init__(self, code: Reason, reason: str, path: str = "") -> None:
        super().__init__(reason)
        self.code, self.reason, self.path = code, reason, path


def parse(body: bytes, call: str, received_at: datetime) -> Batch:
    """Reads the body of `POST /v1/<call>`, `call` being "batch" or the type of a single item.

    Raises `TooLarge` beyond the limits of a request, `Malformed` for what cannot be read at all.
    """
    data = inflate(body)
    raw, envelope = _items(data, call)
    if len(raw) > MOST_ITEMS:
        raise TooLarge(f"A request may hold {MOST_ITEMS} items; send smaller batches.")
    sent_at = envelope.get("sentAt")
    shared = envelope.get("context")
    kind = "" if call == "batch" else call
    items: list[Item] = []
    refused: list[Verdict] = []
    for index, value in enumerate(raw):
        try:
            items.append(_item(index, value, kind, shared, sent_at, received_at))
        except Refusal as refusal:
            refused.append(Verdict(index, Status.REFUSED, refusal.code, refusal.reason, refusal.path))
    return Batch(tuple(items), tuple(refused), received_at)


def inflate(body: bytes) -> bytes:
    """Returns the body as JSON text. Compression is told by its first bytes: some SDKs mislabel what they
    send.
    """
    if not body.startswith(_GZIP):
        data = body
    else:
        stream = zlib.decompressobj(wbits=31)
        try:
            data = stream.decompress(body, BATCH_LIMIT + 1)
        except zlib.error:
            raise Malformed("The body is not valid gzip.") from None
        if len(data) <= BATCH_LIMIT and not stream.eof:
            raise Malformed("The gzip body ends before its end.")
    if len(data) > BATCH_LIMIT:
        raise TooLarge(f"A request may hold {BATCH_LIMIT // 1024} KB of JSON; send smaller batches.")
    return data.removeprefix(b"\xef\xbb\xbf")


def find_write_key(body: bytes) -> str | None:
    """Returns the `writeKey` of a request's body, where senders without Basic authentication put it."""
    try:
        envelope = orjson.loads(inflate(body))
    except ValueError:
        envelope = slices.envelope(inflate(body))
    key = envelope.get("writeKey") if isinstance(envelope, dict) else None
    return key if isinstance(key, str) else None


def _items(data: bytes, call: str) -> tuple[list[Any], dict[str, Any]]:
    """Returns the raw items and what surrounds them. An item that cannot be read is an `Unreadable` in
    its place.
    """
    try:
        whole = orjson.loads(data)
    except ValueError as fault:
        if call == "batch":
            found = slices.split_batch(data)
            if found is not None:
                return found
        raise Malformed(f"The body is not JSON: {_place(fault)}.") from None
    if not isinstance(whole, dict):
        raise Malformed("The body must be a JSON object.")
    if call != "batch":
        return [whole], {}
    batch = whole.get("batch")
    if not isinstance(batch, list):
        raise Malformed("The body of a batch must have an array named batch.")
    return batch, whole


def _place(fault: ValueError) -> str:
    """orjson's complaint without what it might quote."""
    return f"line {getattr(fault, 'lineno', 1)}, column {getattr(fault, 'colno', 1)} cannot be read"


def _item(index: int, value: Any, kind: str, shared: Any, sent_at: Any, received_at: datetime) -> Item:
    if isinstance(value, slices.Unreadable):
        raise Refusal(Reason.NOT_JSON, "This item is not JSON that can be read, or nested too deeply.")
    if not isinstance(value, dict):
        raise Refusal(Reason.NOT_AN_OBJECT, "An item must be a JSON object.")
    value.pop("writeKey", None)
    if shared and isinstance(shared, dict):
        own = value.get("context")
        value["context"] = {**shared, **own} if isinstance(own, dict) else shared
    document = _document(value)
    item_type = _TYPES.get(kind or str(value.get("type")))
    if item_type is None:
        raise Refusal(Reason.UNKNOWN_TYPE, f"The type must be one of {', '.join(_TYPES)}.", "/type")
    user_id, anonymous_id = _identifier(value, "userId"), _identifier(value, "anonymousId")
    if not user_id and not anonymous_id:
        raise Refusal(Reason.NO_IDENTITY, "An item needs a userId or an anonymousId.")
    original = value.get("timestamp") or value.get("originalTimestamp")
    return Item(
        index,
        item_type,
        _name(value, item_type),
        _message_id(value, document, original),
        user_id,
        anonymous_id,
        _previous(value, item_type, user_id),
        _moment(original, value.get("sentAt") or sent_at, received_at),
        _traits(value, item_type),
        _object(value, "traits" if item_type is ItemType.GROUP else "properties"),
        document,
    )


def _document(value: dict[str, Any]) -> bytes:
    try:
        document = orjson.dumps(value)
    except TypeError:
        raise Refusal(Reason.TOO_DEEP, f"An item may be nested {DEPTH_LIMIT} levels deep.") from None
    if len(document) > ITEM_LIMIT:
        raise Refusal(Reason.TOO_LARGE, f"An item may be {ITEM_LIMIT // 1024} KB long.")
    if document.count(b"{") + document.count(b"[") > DEPTH_LIMIT and _is_deeper(value, DEPTH_LIMIT):
        raise Refusal(Reason.TOO_DEEP, f"An item may be nested {DEPTH_LIMIT} levels deep.")
    if rb"\u0000" in document and _has_nul(value):
        raise Refusal(Reason.NUL_CHARACTER, "Text may not contain the character U+0000.")
    pointer = find_card(value, document)
    if pointer is not None:
        raise Refusal(Reason.CARD_NUMBER, "A payment card number may not be sent; none was stored.", pointer)
    return document


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    if levels == 0:
        return True
    inner = value.values() if isinstance(value, dict) else value
    return any(_is_deeper(each, levels - 1) for each in inner)


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in key or _has_nul(each) for key, each in value.items())
    return isinstance(value, list) and any(_has_nul(each) for each in value)


def _identifier(value: dict[str, Any], field: str) -> str:
    found = value.get(field)
    if found is None:
        return ""
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found)
    if not isinstance(found, str) or len(found) > ID_LIMIT:
        raise Refusal(Reason.BAD_FIELD, f"{field} must be text of at most {ID_LIMIT} characters.", f"/{field}")
    return found.strip()


def _name(value: dict[str, Any], item_type: ItemType) -> str:
    """The name by which the event is found: required of a track and of a group, optional of a page and a
    screen.
    """
    if item_type is ItemType.GROUP:
        if not _identifier(value, "groupId"):
            raise Refusal(Reason.MISSING_FIELD, "A group call needs a groupId.", "/groupId")
        return ""  # Which group it is may be personal: that stays in the sealed document.
    if item_type not in (ItemType.TRACK, ItemType.PAGE, ItemType.SCREEN):
        return ""
    field = "event" if item_type is ItemType.TRACK else "name"
    name = value.get(field) or ""
    if not isinstance(name, str) or len(name) > NAME_LIMIT:
        raise Refusal(Reason.BAD_FIELD, f"The name must be text of at most {NAME_LIMIT} characters.", f"/{field}")
    if item_type is ItemType.TRACK and not name.strip():
        raise Refusal(Reason.MISSING_FIELD, "A track call needs an event name.", "/event")
    return name.strip()


def _previous(value: dict[str, Any], item_type: ItemType, user_id: str) -> str:
    if item_type is not ItemType.ALIAS:
        return ""
    previous = _identifier(value, "previousId")
    if not previous or not user_id:
        missing = "previousId" if user_id else "userId"
        raise Refusal(Reason.MISSING_FIELD, "An alias call needs a previousId and a userId.", f"/{missing}")
    return previous


def _message_id(value: dict[str, Any], document: bytes, original: Any) -> str:
    """The sender's id; else one from the item's content, if it says when it happened, so that a retry is
    recognised.

    Without either, two equal items may be two events: each gets an id of its own.
    """
    found = _identifier(value, "messageId")
    if found:
        return found
    return hashlib.sha256(document).hexdigest() if original else str(new_id())


def _moment(original: Any, sent_at: Any, received_at: datetime) -> datetime:
    """receivedAt - (sentAt - originalTimestamp), as the specification has it; never later than it was
    received.
    """
    if original is None or original == "":
        return received_at
    happened = _timestamp(original)
    if sent_at:
        try:
            happened = received_at - (_timestamp(sent_at) - happened)
        except OverflowError:
            happened = _EARLIEST - timedelta(days=1)
    if happened < _EARLIEST:
        raise Refusal(Reason.BAD_TIMESTAMP, "The timestamp lies before 1970.", "/timestamp")
    return min(happened, received_at)


def _timestamp(text: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise Refusal(Reason.BAD_TIMESTAMP, "Timestamps must be ISO 8601 text.", "/timestamp") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _traits(value: dict[str, Any], item_type: ItemType) -> dict[str, Any]:
    """What the item says about its person: an identify's traits, over `context.traits` of any item."""
    context = value.get("context")
    traits = _object(context, "traits") if isinstance(context, dict) else {}
    return {**traits, **_object(value, "traits")} if item_type is ItemType.IDENTIFY else traits


def _object(value: dict[str, Any], field: str) -> dict[str, Any]:
    found = value.get(field)
    return found if isinstance(found, dict) else {}
