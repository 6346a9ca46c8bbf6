"""The installation's own secrets: database passwords, TOTP seeds, the password pepper, signing keys."""

from __future__ import annotations

from misentinel.kernel.clock import now
from misentinel.vault import rules
from misentinel.vault.models import ServiceKey
from misentinel.vault.ports import root_key
from misentinel.vault.queries import held

_MASTER = "service"
_CONTEXT = {"purpose": "service key"}


def service_key(purpose: str) -> bytes:
    """Returns the 32-byte key for `purpose`, the same in every process and at every start.

    All are derived from one key, made the first time it is needed.
    """
    return rules.derive(_master(), "service: " + purpose)


def seal_secret(purpose: str, plaintext: bytes, context: str) -> bytes:
    """Seals one of the service's own secrets; `context` says whose it is, for example a role's name."""
    return _cipher(purpose).seal(_associated(purpose, context), plaintext)


def open_secret(purpose: str, sealed: bytes | memoryview, context: str) -> bytes:
    """Returns what was sealed for the same purpose and context. Raises `Tampered` otherwise."""
    return _cipher(purpose).open(_associated(purpose, context), sealed)


def _cipher(purpose: str) -> rules.Cipher:
    known = held.service_ciphers.get(purpose)
    if known is not None:
        return known
    ticket = held.service_ciphers.ticket()
    cipher = rules.Cipher(rules.derive(_master(), "secret: " + purpose))
    held.service_ciphers.keep_many({purpose: cipher}, ticket)
    return cipher


def _associated(purpose: str, context: str) -> bytes:
    return rules.framed("service secret", purpose, context)


def _master() -> bytes:
    known = held.service.get(_MASTER)
    if known is not None:
        return known
    ticket = held.service.ticket()
    rows = ServiceKey.objects.using("vault").filter(purpose=_MASTER).values_list("wrapped", flat=True)
    wrapped = rows.first()
    if wrapped is None:
        made = ServiceKey(purpose=_MASTER, wrapped=root_key().wrap(rules.new_key(), _CONTEXT), created_at=now())
        ServiceKey.objects.using("vault").bulk_create([made], ignore_conflicts=True)
        wrapped = rows.get()  # another process may have been first
    master = root_key().unwrap(bytes(wrapped), _CONTEXT)
    held.service.keep_many({_MASTER: master}, ticket)
    return master
