"""A signing client in another language, over TLS: let in once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from misentinel.kernel.actor import system
from misentinel.teammates.actions import create_credential, set_signing_key
from misentinel.teammates.contracts import CredentialKind

HERE = Path(__file__).parent


@pytest.mark.strangers
@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed here")
def test_a_client_in_another_language_is_let_in_once_and_never_unsigned(served, acme, tmp_path):
    made = create_credential(system("test"), acme.customer_id, CredentialKind.WRITE_KEY, name="Node")
    key = Ed25519PrivateKey.generate()
    private = tmp_path / "private.pem"
    private.write_bytes(key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption()))
    public = key.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
    set_signing_key(system("test"), acme.customer_id, made.view.id, public.decode())
    done = subprocess.run(
        ["node", "node/signing.js", served.url, made.secret, str(made.view.id), private],
        cwd=HERE, env=os.environ | {"NODE_EXTRA_CA_CERTS": str(served.authority)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [200, 401, 401]
