"""Every tag has its place in OCSF 1.8, and every export is valid by the compiled schema, which others wrote."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import ocsf_json_schema
import pytest
from jsonschema import Draft202012Validator
from ocsf.schema import from_dict

from misentinel.kernel.actor import ActorKind
from misentinel.trail.contracts import Outcome, Tag
from misentinel.trail.ocsf import CLASSES, MEANINGS, VERSION, class_of, to_ocsf
from misentinel.trail.ocsf.documentation import table

PAGE = Path(__file__).parents[4] / "docs" / "guide" / "ocsf.md"
ENTRY, CUSTOMER, PERSON = (UUID(int=number, version=4) for number in (1, 2, 3))


@pytest.fixture(scope="module")
def schema():
    """The compiled schema of the release, as `ocsf-lib` reads it."""
    told = ocsf_json_schema.get_ocsf_schema(VERSION)
    shape = {"types": told["dictionary"]["types"]["attributes"], "base_event": told["classes"]["base_event"]}
    return from_dict({name: told[name] for name in ("version", "classes", "objects")} | shape)


@cache
def validator(class_uid: int, profiles: tuple[str, ...]) -> Draft202012Validator:
    """Every attribute of the class and of the objects in it: types, enumerations, what is required, nothing unknown."""
    compiled = ocsf_json_schema.OcsfJsonSchemaEmbedded(ocsf_json_schema.get_ocsf_schema(VERSION))
    name = compiled.lookup_class_name_from_uid(class_uid)
    return Draft202012Validator(compiled.get_class_schema(name, list(profiles)))


def faults(event: dict) -> list[str]:
    """What is wrong with an event, as it is after a journey through JSON."""
    event = json.loads(json.dumps(event))
    against = validator(event["class_uid"], tuple(event.get("metadata", {}).get("profiles", ())))
    return [f"{fault.json_path}: {fault.message}" for fault in against.iter_errors(event)]


def entry(tag: Tag, **changed) -> SimpleNamespace:
    told = {
        "id": ENTRY, "at": datetime(2026, 3, 1, 12, 0, 0, 123456, UTC), "customer_id": CUSTOMER, "tag": tag.value,
        "outcome": "done", "actor_kind": "teammate", "actor_id": "11", "credential": "c1", "address": "192.0.2.7",
        "object_kind": "person", "object_id": str(PERSON), "person_id": PERSON, "request_id": "r1",
        "details": {"route": "GET /v1/people/<uuid:person_id>", "count": 3, "permissions": ["trail"]},
        "before": b"\x00sealed", "after": memoryview(b"sealed too"),
    }  # fmt: skip
    return SimpleNamespace(**told | changed)


def bare(tag: Tag) -> SimpleNamespace:
    """An entry in which everything that may be empty is."""
    return entry(
        tag, customer_id=None, actor_kind="anonymous", actor_id="", credential="", address="", object_kind="",
        object_id="", person_id=None, request_id="", details={}, before=None, after=None,
    )  # fmt: skip


def test_every_tag_has_its_place():
    assert set(MEANINGS) == set(Tag), "each tag needs a line in trail/ocsf/vocabulary.py and in docs/guide/ocsf.md"


def test_classes_and_activities_are_those_of_the_schema(schema):
    assert schema.version == VERSION
    known = {found.uid: found for found in schema.classes.values()}
    for ours in CLASSES:
        theirs = known[ours.uid]
        assert (ours.name, theirs.deprecated) == (theirs.caption, None)
        captions = {member.caption: int(number) for number, member in theirs.attributes["activity_id"].enum.items()}
        assert ours.activities.items() <= captions.items()


@pytest.mark.parametrize("tag", Tag)
def test_each_tags_export_is_valid(tag):
    assert not faults(to_ocsf(entry(tag), 41)), tag
    for outcome in Outcome:
        assert not faults(to_ocsf(entry(tag, outcome=outcome.value)))
    assert not faults(to_ocsf(bare(tag)))


def test_whoever_acts_the_export_is_valid():
    for meaning in CLASSES:
        tag = next(tag for tag in Tag if MEANINGS[tag].event_class is meaning)
        for kind in ActorKind:
            assert not faults(to_ocsf(entry(tag, actor_kind=kind.value)))
        for address in ("2001:db8::7", "::ffff:192.0.2.7", "a name"):
            assert not faults(to_ocsf(entry(tag, address=address)))


def test_an_entry_whose_tag_is_gone_is_exported_all_the_same():
    old = SimpleNamespace(**vars(entry(Tag.PERSON_VIEW)) | {"tag": "card:stamp"})
    assert not faults(to_ocsf(old)) and to_ocsf(old)["activity_name"] == "card:stamp"
    assert class_of("card:stamp").uid == 6003


def test_a_broken_event_is_rejected():
    good = to_ocsf(entry(Tag.PERSON_VIEW), 41)
    broken = {
        "required": {name: value for name, value in good.items() if name != "metadata"},
        "unknown attribute": good | {"colour": "red"},
        "type": good | {"time": "yesterday"},
        "activity of another class": good | {"activity_id": 13},
        "severity": good | {"severity_id": 12},
        "address": deepcopy(good) | {"src_endpoint": {"ip": "not an address"}},
        "no name for the database": good | {"database": {"type_id": 1}},
        "null": good | {"message": None},
    }
    assert not faults(good)
    assert [name for name, event in broken.items() if not faults(event)] == []


def test_an_event_tells_who_did_what_where_and_when():
    event = to_ocsf(entry(Tag.PERSON_VIEW, outcome="refused"), 41)
    assert (event["class_uid"], event["activity_id"], event["type_uid"]) == (6005, 1, 600501)
    assert (event["time"], event["status"], event["severity"]) == (1772366400123, "Failure", "Low")
    assert event["actor"]["user"]["uid"] == "11" and event["src_endpoint"] == {"ip": "192.0.2.7"}
    told = event["metadata"]
    assert (told["uid"], told["sequence"], told["tenant_uid"]) == (str(ENTRY), 41, str(CUSTOMER))
    assert event["unmapped"]["tag"] == "person:view" and event["unmapped"]["log_index"] == 41
    assert class_of("person:view").uid == 6005


def test_what_is_sealed_stays_sealed():
    opened = entry(Tag.PERSON_EDIT, before={"email": "nia@example.com"}, after={"email": "nia@example.com"})
    assert "nia" not in json.dumps(to_ocsf(opened)), "values that were opened are not exported"
    assert to_ocsf(entry(Tag.PERSON_EDIT))["unmapped"]["before_sealed"] == "AHNlYWxlZA=="


def test_the_page_lists_every_tag():
    told = PAGE.read_text().partition("## Every tag")[2]
    rows = [line for line in told.splitlines() if line.startswith("| `")]
    assert rows == table(), "docs/guide/ocsf.md should hold these rows:\n" + "\n".join(table())
