"""Every setting there is, read from `MISENTINEL_*` environment variables or one TOML file; the environment wins.

The file is `misentinel.toml` in the home folder, or where `MISENTINEL_CONFIG` points. An unknown name stops the
program: a setting that is silently ignored is a promise that is silently broken. docs/guide/settings.md lists them
all, and a test compares.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from misentinel.kernel.errors import Misconfigured

PREFIX = "MISENTINEL_"
CONFIG_VARIABLE = "MISENTINEL_CONFIG"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def _setting(default: Any, explanation: str) -> Any:
    return field(default=default, metadata={"help": explanation})


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force. The environment variable of `https_port` is `MISENTINEL_HTTPS_PORT`."""

    home: Path = _setting(Path("var"), "The folder that holds all state of an embedded installation.")
    public_url: str = _setting(
        "", "Where people reach it, for links in messages. Empty: `https://localhost` at the HTTPS port."
    )
    bind: str = _setting("127.0.0.1", "The address to listen on.")
    https_port: int = _setting(8443, "The port that serves HTTPS.")
    http_port: int = _setting(8080, "The port that answers plain HTTP with a redirect. 0 turns it off.")
    tls_certificate: str = _setting("", "PEM file with the certificate chain. Empty: one from the local authority.")
    tls_key: str = _setting("", "PEM file with the private key of `tls_certificate`.")
    web_processes: int = _setting(2, "Web server processes.")
    web_threads: int = _setting(8, "Threads in each web server process.")
    worker_threads: int = _setting(8, "Jobs that the worker runs at once.")
    control_url: str = _setting("", "DSN of the control database. Empty: the embedded data cluster.")
    vault_url: str = _setting(
        "", "DSN of the vault database, on a cluster of its own. Empty: the embedded vault cluster."
    )
    clusters: str = _setting(
        "",
        'Where stores may be placed, as JSON: `{"name": {"dsn": …, "provider": …, "location": "GB"}}`. '
        "Each DSN names a role that may create databases and roles. Empty: the embedded data cluster as `main`.",
    )
    store_connections: int = _setting(32, "Connections to stores that one process keeps open at the most.")
    root_key: str = _setting(
        "file", "What wraps the customers' keys: `file` (sealed file in the home folder) or `aws-kms`."
    )
    root_key_file: str = _setting("", "The root key's file, mode 0600. Empty: `root.key` in the home folder.")
    kms_key_id: str = _setting("", "The AWS KMS key (id, ARN or alias) when `root_key` is `aws-kms`.")
    kms_region: str = _setting("eu-west-2", "The AWS region of the KMS key. Only regions in the UK are accepted.")
    kms_endpoint: str = _setting("", "Another endpoint for AWS KMS, for example a private one. Empty: AWS's own.")
    smtp_url: str = _setting(
        "",
        "The mail server: `smtp://user:password@host:587?tls=starttls`; `tls` is `starttls`, `implicit` or `none`. "
        "Empty: messages land in the local mailbox page.",
    )
    smtp_connections: int = _setting(8, "Connections to the mail server that one sending job opens at the most.")
    mail_from: str = _setting("hello@example.com", "The sender of messages that do not name their own.")
    dkim_key_file: str = _setting("", "PEM file with the RSA or Ed25519 key that signs mail. Empty: no signature.")
    dkim_selector: str = _setting("misentinel", "The DKIM selector under which the public key is published.")
    ingest_rate: int = _setting(50_000, "Events a second that one write key may send to one web server.")
    request_rate: int = _setting(
        100, "Requests a second that one API token or one session may make of one web server; events count apart."
    )
    log_witnesses: str = _setting(
        "",
        "Witnesses that cosign the checkpoints of every log, as `KEY URL` with commas between: the witness's verifier "
        "key, and the HTTPS address below which it takes `add-checkpoint`. They learn each log's name, size and root.",
    )
    outgoing_private_hosts: str = _setting(
        "",
        "Hosts with private addresses that URLs set by users may lead to all the same, for example an identity "
        "provider on the premises: `host` (port 443) or `host:port`, with commas between. "
        "Empty: public addresses alone.",
    )
    outgoing_authority: str = _setting(
        "", "PEM file with certificate authorities to trust, beside the system's, where such a URL leads."
    )
    denied_networks: str = _setting(
        "",
        "Networks whose requests are refused whatever they show, for example `203.0.113.0/24, 2001:db8::/32`. "
        "No setting lets anybody in by address.",
    )
    sign_in_attempts: int = _setting(
        10, "Failed sign-ins per account and address in five minutes before further ones wait."
    )
    recovery_wait_hours: int = _setting(
        24,
        "Hours between the approval of a teammate's lost-factor recovery and its link working; the same for an "
        "enrolment link into an account that is enrolled. At least 1.",
    )
    security_contact: str = _setting(
        "",
        "Who is told of a weakness, for `/.well-known/security.txt`: addresses or URIs, with commas between. "
        "Empty: no such file.",
    )
    places_file: str = _setting(
        "",
        "A MaxMind-format `.mmdb` file of cities, to show where a session is. Empty: its address's network is shown.",
    )
    archive: str = _setting(
        "",
        "Where the trail is archived: the whole path of a folder, or `s3://BUCKET/PREFIX` for a bucket with Object "
        "Lock. Empty: the folder `archive` in the home folder.",
    )
    archive_location: str = _setting(
        "",
        "The country that a folder named by `archive` is in. Only `GB` is accepted; a folder without one is refused.",
    )
    archive_region: str = _setting(
        "eu-west-2", "The AWS region of the archive's bucket. Only regions in the UK are accepted."
    )
    archive_endpoint: str = _setting("", "Another endpoint for S3, for example a private one. Empty: AWS's own.")
    archive_glacier_days: int = _setting(90, "Days after which S3 moves what is archived to Glacier.")
    archive_retention_days: int = _setting(
        2557, "Days that the archive keeps, and locks, a day's entries, where a customer has no term of its own."
    )
    archive_hot_days: int = _setting(
        400, "Days that entries stay in the database as well, where a customer has no term of its own. At least 7."
    )
    log_level: str = _setting("INFO", "How much the log tells: DEBUG, INFO, WARNING or ERROR.")

    @property
    def base_url(self) -> str:
        """The public URL without a trailing slash."""
        return (self.public_url or f"https://localhost:{self.https_port}").rstrip("/")


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings in force. Raises `Misconfigured`, naming the setting and what would be right."""
    environment = os.environ if environment is None else environment
    given = _from_environment(environment)
    home = Path(given.get("home", "var")).expanduser()
    config = environment.get(CONFIG_VARIABLE)
    path = Path(config) if config else home / "misentinel.toml"
    values = {**_from_file(path, required=bool(config)), **given}
    known = {f.name: f for f in fields(Settings)}
    for name in values:
        if name not in known:
            raise Misconfigured(_unknown(name, list(known)))
    typed = {name: _typed(name, known[name].default, value) for name, value in values.items()}
    level = typed.get("log_level", "INFO").upper()
    if level not in LOG_LEVELS:
        raise Misconfigured(f"Setting log_level must be one of {', '.join(LOG_LEVELS)}, not {level!r}.")
    typed["log_level"] = level
    if typed.get("recovery_wait_hours", 1) < 1:
        raise Misconfigured("Setting recovery_wait_hours must be at least 1: nobody could stop a recovery in no time.")
    if min(typed.get(name, 1) for name in ("archive_retention_days", "archive_hot_days", "archive_glacier_days")) < 1:
        raise Misconfigured("The settings archive_…_days must be at least 1: what is archived is kept.")
    typed["home"] = Path(typed.get("home", home)).expanduser().resolve()
    return Settings(**typed)


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and name != CONFIG_VARIABLE
    }


def _from_file(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        text = path.read_text()
    except FileNotFoundError:
        if required:
            raise Misconfigured(f"The settings file {path} does not exist.") from None
        return {}
    except OSError as error:
        raise Misconfigured(f"The settings file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"The settings file {path} is not text in UTF-8.") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"The settings file {path} is not valid TOML: {error}.") from error


def _typed(name: str, default: Any, value: Any) -> Any:
    if isinstance(default, bool):
        if str(value).lower() not in ("true", "false"):
            raise Misconfigured(f"Setting {name} must be true or false, not {value!r}.")
        return str(value).lower() == "true"
    if isinstance(default, int):
        try:
            return int(value)
        except (TypeError, ValueError):
            raise Misconfigured(f"Setting {name} must be a whole number, not {value!r}.") from None
    return Path(value) if isinstance(default, Path) else str(value)


def _unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"There is no setting {name} ({PREFIX}{name.upper()}).{hint} docs/guide/settings.md lists them all."
