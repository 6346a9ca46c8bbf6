"""A nonce is taken once, by whichever process, and forgotten when nothing depends on it any more."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

from misentinel.kernel.clock import held, now
from misentinel.kernel.ids import new_id
from misentinel.teammates import nonces
from misentinel.teammates.models import SpentNonce


def test_a_nonce_is_spent_once_however_many_processes_try() -> None:
    key = new_id()
    program = (
        "import os, sys, django; django.setup()\n"
        "from misentinel.teammates import nonces\n"
        "sys.stdin.readline()\n"
        f"print(sum(nonces.spend('{key}', f'nonce-{{i}}') for i in range(50)))\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", program], stdin=-1, stdout=-1, text=True) for _ in range(2)]
    taken = [int(one.communicate("go\n", timeout=60)[0]) for one in both]
    assert sum(taken) == 50
    assert nonces.spend(key, "nonce-1") is False


def test_nonces_are_forgotten_once_no_signature_counts_any_more() -> None:
    key = new_id()
    nonces.spend(key, "a" * 20)
    nonces.forget_old()
    assert SpentNonce.objects.filter(credential_id=key).count() == 1
    with held(now() + timedelta(minutes=16)):
        nonces.forget_old()
    assert SpentNonce.objects.filter(credential_id=key).count() == 0
