"""The port to the root key, the one key that the vault itself does not hold, and the adapter in force.

Trust: whoever can use the root key and read the vault can open everything. An adapter proves that the same root key is
asked that wrapped, and refuses anything else with one sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from misentinel.kernel.errors import Misconfigured
from misentinel.kernel.settings import Settings, load


class RootKey(Protocol):
    """Wraps the keys of customers and of the service. The context is bound in, and must be shown again to unwrap."""

    @property
    def name(self) -> str:
        """What it is and which, without a secret: `file:3f1c…`, `aws-kms:alias/vault`."""
        ...

    def wrap(self, plaintext: bytes, context: dict[str, str]) -> bytes: ...

    def unwrap(self, wrapped: bytes, context: dict[str, str]) -> bytes:
        """Raises `Misconfigured` if another root key wrapped this, `Tampered` if it was changed or its context is not
        the same, `Unavailable` if the root key cannot be asked right now.
        """
        ...


_in_force: RootKey | None = None


def root_key() -> RootKey:
    """Returns the root key that the settings name, read once in this process."""
    global _in_force
    if _in_force is None:
        _in_force = choose(load())
    return _in_force


def install(chosen: RootKey | None) -> None:
    """Makes `chosen` the root key in force. None: read the settings again when it is next needed."""
    global _in_force
    _in_force = chosen


@contextmanager
def using(chosen: RootKey) -> Iterator[RootKey]:
    """Puts `chosen` in force for the length of a block."""
    before = _in_force
    install(chosen)
    try:
        yield chosen
    finally:
        install(before)


def choose(settings: Settings) -> RootKey:
    """Returns the adapter that `settings` name. Raises `Misconfigured` if they make no sense."""
    if settings.root_key == "file":
        from misentinel.vault.ports.sealed_file import SealedFileRootKey

        return SealedFileRootKey.load(file_path(settings))
    if settings.root_key == "aws-kms":
        from misentinel.vault.ports.aws_kms import AwsKmsRootKey

        return AwsKmsRootKey.connect(settings.kms_key_id, region=settings.kms_region, endpoint=settings.kms_endpoint)
    raise Misconfigured(f"Setting root_key must be file or aws-kms, not {settings.root_key!r}.")


def file_path(settings: Settings) -> Path:
    return Path(settings.root_key_file).expanduser() if settings.root_key_file else settings.home / "root.key"
