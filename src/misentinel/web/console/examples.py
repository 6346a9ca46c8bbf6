"""Commands that the console shows a newcomer to copy."""

from __future__ import annotations

import json
import shlex

from django.conf import settings

_PERSON = {"userId": "u-1001", "traits": {"email": "ada@example.com", "firstName": "Ada", "plan": "pro"}}


def identify_command() -> str:
    """Returns a command line that sends one invented person to this installation."""
    installation = settings.MISENTINEL
    # Teammates need not learn where on the server the home folder is, only which file in it to trust.
    authority = f"{installation.home.name}/tls/authority.pem"
    trust = "" if installation.tls_certificate else f"--cacert {shlex.quote(authority)} "
    return (
        f"curl {trust}-u YOUR_WRITE_KEY: -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(json.dumps(_PERSON))} \\\n"
        f"  {installation.base_url}/v1/identify"
    )
