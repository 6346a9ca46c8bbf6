"""The first start: a root key is made for an empty vault, and never for one that holds anything."""

from __future__ import annotations

from misentinel.kernel.settings import Settings
from misentinel.vault import ports
from misentinel.vault.models import CustomerKey, ServiceKey
from misentinel.vault.ports import RootKey, file_path
from misentinel.vault.ports.sealed_file import SealedFileRootKey


def ensure_root_key(settings: Settings) -> RootKey:
    """Puts the root key in force and proves it: makes its file on the first start, and unwraps one key otherwise.

    Raises `Misconfigured` if the file is gone though the vault holds keys, or if it is another vault's.
    """
    oldest = ServiceKey.objects.using("vault").values_list("wrapped", flat=True).first()
    empty = oldest is None and not CustomerKey.objects.using("vault").exists()
    if settings.root_key == "file" and empty:
        root: RootKey = SealedFileRootKey.create(file_path(settings))
    else:
        root = ports.choose(settings)
    if oldest is not None:
        root.unwrap(bytes(oldest), {"purpose": "service key"})
    ports.install(root)
    return root
