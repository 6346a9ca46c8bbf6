"""A customer's own sinks in the console: set, looked at, put right; nobody's who may not read the trail."""

from __future__ import annotations

import re

import pytest

from misentinel.kernel import settings
from misentinel.site.serving.authority import ensure_certificate
from misentinel.teammates.contracts import GRANTABLE, Permission
from misentinel.trail.contracts import EntryFilter
from misentinel.trail.queries import list_entries
from misentinel.trail.shipping.queries import get_sink, list_sinks
from misentinel.trail.shipping.running import ship
from misentinel.trail.shipping.tests.ground import tell
from misentinel.trail.shipping.tests.receivers import acknowledging, requests
from tests.cast import hire, signed_in

NDJSON = {"name": "siem", "kind": "ndjson", "address": "https://logs.example.com/trail", "location": "ie", "secret": ""}


@pytest.fixture
def asha(acme):
    return signed_in(hire(acme.customer_id, "Asha"))


def test_a_sink_is_added_its_key_shown_once_and_its_state_told(acme, asha) -> None:
    tell(acme, 3)
    answer = asha.post("/settings/sinks", NDJSON).content.decode()
    key = re.search(r'value="([A-Za-z0-9_-]{43})"', answer)[1]
    sink = get_sink(acme.customer_id, "siem")
    assert (sink.location, sink.gets_personal_data, sink.by_operator) == ("IE", False, False)
    for page in ("/settings/sinks", f"/settings/sinks/{sink.id}"):
        told = asha.get(page).content.decode()
        assert key not in told and "logs.example.com" in told and "no personal data" in told and "waiting" in told


def test_what_is_set_here_reaches_no_private_address(acme, asha, monkeypatch) -> None:
    certificate = ensure_certificate(settings.load())
    monkeypatch.setenv("MISENTINEL_OUTGOING_AUTHORITY", str(certificate.authority))
    tell(acme, 1)
    with requests(certificate, acknowledging) as receiver:
        refused = asha.post("/settings/sinks", NDJSON | {"address": f"https://localhost:{receiver.port}/"})
        assert refused.status_code == 422 and list_sinks(acme.customer_id) == []
        asha.post("/settings/sinks", NDJSON | {"address": f"https://127.0.0.1:{receiver.port}/"})
        assert ship(get_sink(acme.customer_id, "siem").id).entries == 0 and receiver.received == []
    assert "Failing" in asha.get("/settings/sinks").content.decode()


def test_a_sink_is_paused_resumed_replayed_and_removed(acme, asha, receiver) -> None:
    tell(acme, 3)
    asha.post("/settings/sinks", NDJSON | {"address": f"https://localhost:{receiver.port}/"})
    sink = get_sink(acme.customer_id, "siem").id
    of = f"/settings/sinks/{sink}"
    receiver.answer = refusing_the_first
    ship(sink)
    assert "status 422" in asha.get(of).content.decode()
    receiver.answer = acknowledging
    assert "1 taken, 0 left." in asha.post(f"{of}/dead-letters", follow=True).content.decode()
    assert asha.post(f"{of}/pause").status_code == 302 and get_sink(acme.customer_id, "siem").paused
    assert asha.post(f"{of}/resume").status_code == 302 and not get_sink(acme.customer_id, "siem").paused
    assert asha.post(f"{of}/replay", {"first": "999"}).status_code == 422
    assert asha.post(f"{of}/replay", {"first": "1"}).status_code == 302
    assert get_sink(acme.customer_id, "siem").next_index == 1
    assert asha.post(f"{of}/remove").status_code == 302 and list_sinks(acme.customer_id) == []
    tags = {entry.tag for entry in list_entries(acme, EntryFilter(object_id=str(sink))).entries}
    assert tags >= {"sink:add", "sink:pause", "sink:resume", "sink:replay", "sink:remove", "dead_letter:list"}


@pytest.fixture
def receiver(monkeypatch):
    """One at a private address, which the operator's settings let customers name."""
    certificate = ensure_certificate(settings.load())
    with requests(certificate, acknowledging) as found:
        monkeypatch.setenv("MISENTINEL_OUTGOING_AUTHORITY", str(certificate.authority))
        monkeypatch.setenv("MISENTINEL_OUTGOING_PRIVATE_HOSTS", f"localhost:{found.port}")
        yield found


def refusing_the_first(path: str, headers: dict[str, str], body: bytes):
    return (422, b"") if headers["x-misentinel-first"] == "0" else acknowledging(path, headers, body)


def test_whoever_may_not_read_the_trail_ships_it_nowhere(acme, asha) -> None:
    ben = signed_in(hire(acme.customer_id, "Ben", GRANTABLE - {Permission.TRAIL}))
    assert "Add a receiver" not in ben.get("/settings/sinks").content.decode()
    assert ben.post("/settings/sinks", NDJSON).status_code == 403 and list_sinks(acme.customer_id) == []
    asha.post("/settings/sinks", NDJSON)
    sink = get_sink(acme.customer_id, "siem").id
    assert ben.post(f"/settings/sinks/{sink}/replay", {"first": "0"}).status_code == 403
    assert ben.post(f"/settings/sinks/{sink}/pause").status_code == 302, "stopping it takes nothing more"
    assert ben.post(f"/settings/sinks/{sink}/resume").status_code == 403
    cleo = signed_in(hire(acme.customer_id, "Cleo", GRANTABLE - {Permission.SECURITY_SETTINGS}))
    assert cleo.get("/settings/sinks").status_code == 403


def test_a_neighbours_sink_is_not_there(acme, bolt, asha) -> None:
    mallory = signed_in(hire(bolt.customer_id, "Mallory"))
    asha.post("/settings/sinks", NDJSON)
    sink = get_sink(acme.customer_id, "siem").id
    for verb in ("pause", "resume", "remove", "replay", "dead-letters"):
        assert mallory.post(f"/settings/sinks/{sink}/{verb}", {"first": "0"}).status_code == 404
    assert mallory.get(f"/settings/sinks/{sink}").status_code == 404
    assert len(list_sinks(acme.customer_id)) == 1
