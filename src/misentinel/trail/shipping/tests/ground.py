"""What the tests of shipping share: filling a log, adding a sink, and what a sink must get."""

from __future__ import annotations

from misentinel.kernel.actor import operator, system
from misentinel.kernel.ids import new_id
from misentinel.trail.actions import record, seal
from misentinel.trail.contracts import Tag
from misentinel.trail.models import Leaf
from misentinel.trail.queries import log_of
from misentinel.trail.shipping.actions import add_sink
from misentinel.trail.shipping.contracts import SinkKind

OLGA = operator("olga")


def tell(store, count: int) -> None:
    with store.atomic():
        for _ in range(count):
            record(store, system("test"), Tag.PERSON_VIEW, object_kind="person", object_id=new_id())
    while seal(log_of(store)):
        pass


def sealed(log) -> list[tuple[int, str]]:
    """Index and entry id of everything in the log: what a sink must get."""
    leaves = Leaf.objects.using(log.alias).order_by("index")
    return [(leaf.index, str(leaf.entry_id)) for leaf in leaves]


def told(event: dict) -> tuple[int, str]:
    return event["metadata"]["sequence"], event["metadata"]["uid"]


def connect(log, kind: SinkKind, port: int, *, secret: str = "", name: str = "", location: str = "GB", **more):
    url = {SinkKind.OTLP: f"https://localhost:{port}/v1/logs", SinkKind.NDJSON: f"https://localhost:{port}/trail"}
    return add_sink(
        OLGA, log, name=name or kind.value, kind=kind, address=url.get(kind, f"localhost:{port}"), location=location,
        secret=secret, **more,
    )  # fmt: skip
