"""The SDKs that others wrote, unmodified, against the program as it is served: every call arrives and is understood."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from misentinel.events import queries as events
from misentinel.kernel.actor import system
from misentinel.people import queries as people
from misentinel.teammates.actions import create_credential
from misentinel.teammates.contracts import CredentialKind

HERE = Path(__file__).parent
NODE = shutil.which("node")
SDKS = {
    "segment-analytics-python": [sys.executable, "segment_python.py"],
    "rudder-sdk-python": [sys.executable, "rudder_python.py"],
    "@segment/analytics-node": ["node", "node/segment.js"],
    "@rudderstack/rudder-sdk-node": ["node", "node/rudder.js"],
}

pytestmark = pytest.mark.strangers


@pytest.mark.parametrize("sdk", SDKS)
def test_every_call_of_an_sdk_arrives_and_is_understood(sdk, served, acme):
    command = SDKS[sdk]
    if command[0] == "node" and NODE is None:
        pytest.skip(f"{sdk} needs Node.js, which is not installed here (Debian: apt-get install nodejs npm)")
    key = create_credential(system("test"), acme.customer_id, CredentialKind.WRITE_KEY, name=sdk).secret
    done = subprocess.run(
        [*command, served.url, key, "asha"], cwd=HERE, timeout=60, capture_output=True, text=True,
        env=os.environ | {"NODE_EXTRA_CA_CERTS": str(served.authority), "REQUESTS_CA_BUNDLE": str(served.authority)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    asha = people.get_person(acme, people.find_by_user_id(acme, "asha"))
    assert people.count_people(acme) == 1, "what the device did before is hers"
    assert (asha.email, asha.traits["plan"]) == ("asha@example.com", "pro")
    assert set(asha.anonymous_ids) == {"asha-device", "asha-before"}
    timeline = events.timeline(acme, asha.id)
    assert sorted(event.type for event in timeline) == ["alias", "group", "identify", "page", "screen", "track"]
    (track,) = [event for event in timeline if event.type == "track"]
    assert track.name == "Plan selected"
    assert track.document["properties"] == {"price": 9.5, "café": "東京"}
    assert abs((track.received_at - track.at).total_seconds()) < 60
