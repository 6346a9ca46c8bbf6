"""What must hold across processes that share nothing but the database: no code twice, no tries beyond the limit."""

from __future__ import annotations

import json
import subprocess
import sys

from misentinel.kernel.clock import held, now
from misentinel.teammates import second_factor
from misentinel.teammates.models import SignInFailure, Teammate
from tests.cast import code_for, hire

TRY = """
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "misentinel.site.settings"
import django; django.setup()
from misentinel.site import wiring; from misentinel.vault import actions; from django.conf import settings
actions.ensure_root_key(settings.MISENTINEL); wiring.connect()
from misentinel.kernel.clock import held; from datetime import datetime
from misentinel.kernel.errors import TooMany
from misentinel.teammates import second_factor, throttle; from misentinel.teammates.models import Teammate
teammate_id, code, at, what = sys.argv[1:]
print("ready", flush=True); sys.stdin.readline()
with held(datetime.fromisoformat(at)):
    if what == "code":
        print(json.dumps(second_factor.accept_code(Teammate.objects.get(id=teammate_id), code)))
    else:
        begun = 0
        for _ in range(8):
            try:
                throttle.begin(what, "192.0.2.7"); begun += 1
            except TooMany:
                pass
        print(json.dumps(begun))
"""


def together(count: int, *arguments: str) -> list[object]:
    """Runs `TRY` in `count` processes that start at the same moment; returns what each printed."""
    command = [sys.executable, "-c", TRY, *arguments]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    return [json.loads(process.communicate(timeout=60)[0]) for process in running]


def test_a_code_is_accepted_by_one_process_only(acme) -> None:
    asha = hire(acme.customer_id, "Asha")
    seed = second_factor.new_seed()
    second_factor.replace_authenticator(asha, seed)
    code, at = code_for(seed), now()
    answers = together(2, str(asha.id), code, at.isoformat(), "code")
    assert sorted(answers) == [False, True]
    with held(at):
        assert second_factor.accept_code(Teammate.objects.get(id=asha.id), code) is False


def test_tries_are_counted_together_however_many_processes_make_them() -> None:
    SignInFailure.objects.all().delete()
    begun = together(3, "-", "-", now().isoformat(), "target@example.com")
    assert sum(begun) <= 10
    assert sum(begun) >= 8
    SignInFailure.objects.all().delete()
