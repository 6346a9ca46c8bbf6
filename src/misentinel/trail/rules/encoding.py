"""Base64 in its one spelling (RFC 4648, section 4): what another reader might read differently is refused."""

from __future__ import annotations

import base64
import binascii


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def from_base64(text: str) -> bytes:
    """Raises `ValueError` for anything but the spelling that `to_base64` gives."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"not base64: {error}") from None
    if to_base64(data) != text:
        raise ValueError("not base64 in its one spelling")
    return data
