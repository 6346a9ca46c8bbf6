"""How a database may be reached: over a Unix socket, or over TLS with the server's certificate and name verified.

Anything weaker is refused when it is configured and again whenever a connection is opened. Over TLS this process also
shows its own certificate, where it has one, so that the server can ask for more than a password. The file is read for
each connection: a renewed certificate is shown by the next one, without a restart.

Trust: who answers on a Unix socket is decided by the folder's owner and mode, and by SCRAM; who answers over a network
is decided by the certificate alone, never by the address.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from misentinel.kernel.errors import Misconfigured
from misentinel.store.postgres.sessions import own_name

_ELSEWHERE = ("PGSERVICE", "PGHOSTADDR")  # would have libpq go where no setting of ours says
_own: Path | None = None


def present(certificate: Path | None) -> None:
    """From now on this process shows this certificate (chain and key in one file) to servers that it reaches by TLS."""
    global _own
    _own = certificate


def require_proof(parameters: dict[str, Any], setting: str) -> None:
    """Raises `Misconfigured` unless libpq, given these, would connect to a proven server or over a Unix socket."""
    for variable in _ELSEWHERE:
        if os.environ.get(variable):
            raise Misconfigured(f"Unset {variable}: it would lead the database connection of {setting} elsewhere.")
    if parameters.get("service"):
        raise Misconfigured(f"Setting {setting} names a service; write host, dbname and user out instead.")
    if not _crosses_network(parameters):
        return
    if parameters.get("sslmode") != "verify-full":
        raise Misconfigured(
            f"Setting {setting} reaches its server over a network without proof of who answers: "
            "add sslmode=verify-full and sslrootcert=/path/to/the/servers/ca.pem to the DSN, "
            "or name the folder of its Unix socket as host."
        )
    authority = str(parameters.get("sslrootcert") or "")
    if not authority or authority == "system" or not Path(authority).is_file():
        raise Misconfigured(
            f"Setting {setting} does not say who vouches for its server: "
            "add sslrootcert=/path/to/the/servers/ca.pem to the DSN, the authority that issued its certificate."
        )
    if not parameters.get("host"):
        raise Misconfigured(f"Setting {setting} has an address and no host name to verify; add host=NAME to the DSN.")


def proven(parameters: dict[str, Any], setting: str = "clusters") -> dict[str, Any]:
    """Returns the parameters to open a connection with, judged again, under our own name. Raises `Misconfigured`."""
    require_proof(parameters, setting)
    name = own_name(str(parameters.get("user", "")), str(parameters.get("dbname", "")))
    found = {**parameters, "application_name": name}
    if not _crosses_network(parameters):
        return found
    found["gssencmode"] = "disable"  # encryption by Kerberos would replace TLS, and the verification with it
    found.setdefault("ssl_min_protocol_version", "TLSv1.2")
    if _own is not None and _own.is_file() and "sslcert" not in found:
        found |= {"sslcert": str(_own), "sslkey": str(_own)}
    return found


def _crosses_network(parameters: dict[str, Any]) -> bool:
    """Whether any of the hosts is not a Unix socket. No host at all is libpq's own guess, so not known to be one."""
    if parameters.get("hostaddr"):
        return True
    hosts = str(parameters.get("host") or "").split(",")
    return not all(host.startswith("/") for host in hosts)
