"""`misentinel certificate` and `misentinel status`: who the processes are to one another, and whether they are well."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import click
from rich.table import Table

from misentinel.cli.command import Actor, console, recorded
from misentinel.kernel import settings as kernel_settings
from misentinel.kernel.actor import system
from misentinel.kernel.errors import Unavailable
from misentinel.site.serving.services import Issued, Role, Services
from misentinel.site.serving.status import ask, read_ports
from misentinel.trail.contracts import Tag

_log = logging.getLogger(__name__)


@click.group("certificate")
def certificates() -> None:
    """List, renew and revoke the certificates by which the program's processes know one another."""


@certificates.command("list")
@recorded(Tag.CERTIFICATE_LIST)
def list_(actor: Actor) -> None:
    """List the certificates that have not expired, the newest first."""
    table = Table("serial", "role", "issued", "expires", "state")
    for one in _services().list_issued():
        state = f"revoked {one.revoked_at:%Y-%m-%d %H:%M}" if one.revoked_at else "good"
        table.add_row(
            one.serial, one.role, f"{one.issued_at:%Y-%m-%d %H:%M}", f"{one.expires_at:%Y-%m-%d %H:%M}", state
        )
    if table.row_count:
        console.print(table)
    else:
        console.print("There are no certificates that still count; misentinel run makes them.")


@certificates.command("revoke")
@click.argument("serial")
@recorded(Tag.CERTIFICATE_REVOKE)
def revoke(actor: Actor, serial: str) -> None:
    """Revoke a certificate: it is refused from the next connection on, and one in use is replaced."""
    revoked, made = _services().revoke(serial)
    _record(actor, Tag.CERTIFICATE_REVOKE, revoked)
    if made is not None:
        record_issued([made], actor)
    console.print(f"Certificate {revoked.serial} of the {revoked.role} is revoked.")
    console.print("Put tls/services/revoked.pem where your database servers read it (ssl_crl_file), and reload them.")


@certificates.command("renew")
@click.argument("role", type=click.Choice([role.value for role in Role]))
@recorded(Tag.CERTIFICATE_ISSUE)
def renew(actor: Actor, role: str) -> None:
    """Issue a new certificate with a new key now, instead of after half its life."""
    made = _services().renew(Role(role))
    record_issued([made], actor)
    console.print(f"The {made.role} has certificate {made.serial}, until {made.expires_at:%Y-%m-%d %H:%M} UTC.")


@click.command()
@recorded(Tag.SERVICE_VIEW)
def status(actor: Actor) -> None:
    """Ask each process whether it is well. Fails if one does not say so."""
    services, home = _services(), kernel_settings.load().home
    table = Table("process", "pid", "since", "version", "last job")
    unwell = []
    for role, port in read_ports(home).items():
        try:
            told = ask(services, role, port)
        except Unavailable as error:
            unwell.append(error.message)
            continue
        job = told.get("last_job") or {}
        last = f"{job['name']} {job['ended_at'][:19]}" if job else ""
        table.add_row(role, str(told["pid"]), told["since"][:19], told["version"], last)
    if table.row_count:
        console.print(table)
    if unwell:
        raise Unavailable(" ".join(unwell))


def all_well(services: Services, ports: dict[Role, int]) -> bool:
    """Whether every process says that it is well."""
    try:
        for role, port in ports.items():
            ask(services, role, port)
    except Unavailable:
        return False
    return True


def tell_who_is_unwell(services: Services, ports: dict[Role, int]) -> None:
    """For the supervisor's log: a process that runs and does not answer is not started again by itself."""
    for role, port in ports.items():
        try:
            ask(services, role, port)
        except Unavailable as error:
            _log.warning("%s", error.message)


def record_issued(issued: Iterable[Issued], actor: Actor | None = None) -> None:
    """One entry for each certificate, on the platform log."""
    for one in issued:
        _record(actor or system("supervisor"), Tag.CERTIFICATE_ISSUE, one)


def _record(actor: Actor, tag: Tag, one: Issued) -> None:
    from misentinel.trail.actions import record_control

    record_control(
        actor, tag, object_kind="certificate", object_id=one.serial,
        details={"role": one.role.value, "expires_at": one.expires_at.isoformat()},
    )  # fmt: skip


def _services() -> Services:
    home: Path = kernel_settings.load().home
    return Services(home)
