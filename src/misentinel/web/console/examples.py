"""Commands that the console shows a newcomer to copy."""

from __future__ import annotations

from django.conf import settings


def identify_command() -> str:
    """Returns a command line that sends one invented person to this installation."""
    return (
        f"curl -k {settings.MISENTINEL.base_url}/v1/identify -u YOUR_WRITE_KEY: "
        """-H 'Content-Type: application/json' \\\n  -d '{"userId": "u-1001", "traits": """
        """{"email": "ada@example.com", "firstName": "Ada", "plan": "pro"}}'"""
    )
