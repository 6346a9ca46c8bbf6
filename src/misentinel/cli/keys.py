"""`misentinel key`: which programs may call."""

from __future__ import annotations

from datetime import timedelta
from typing import TextIO
from uuid import UUID

import click
from rich.table import Table

from misentinel.cli.command import Actor, console, grant_option, recorded
from misentinel.cli.teammates import customer_option, open_customer, permission_option
from misentinel.teammates.contracts import CredentialKind
from misentinel.teammates.rules import parse_permissions
from misentinel.trail.contracts import Tag


@click.group("key")
def group() -> None:
    """Create, list, rotate and revoke the keys that programs show."""


@group.command("create")
@click.argument("name")
@customer_option
@click.option("--write", is_flag=True, help="A write key: sends people and events, reads nothing.")
@click.option("--days", type=click.IntRange(1), help="Expires after so many days; otherwise when it is revoked.")
@click.option("--read-only", is_flag=True, help="An API token that can change nothing, whatever it holds.")
@permission_option
@recorded(Tag.CREDENTIAL_CREATE)
def create(
    actor: Actor,
    name: str,
    customer: str,
    write: bool,
    days: int | None,
    read_only: bool,
    permissions: tuple[str, ...],
) -> None:
    """Create a write key, or an API token with permissions, and print it once."""
    from misentinel.kernel.clock import in_future
    from misentinel.teammates.actions import create_credential

    made = create_credential(
        actor, open_customer(customer).id, CredentialKind.WRITE_KEY if write else CredentialKind.API_TOKEN, name=name,
        permissions=parse_permissions(permissions), expires_at=in_future(days=days) if days else None,
        read_only=read_only,
    )  # fmt: skip
    console.print(made.secret)
    console.print(f"Kept only as a digest: this is the one time it is shown. Its id is {made.view.id}.")


@group.command("list")
@customer_option
@grant_option
@recorded(Tag.CREDENTIAL_LIST)
def list_keys(actor: Actor, customer: str, grant: UUID | None) -> None:
    """List a customer's keys."""
    from misentinel.teammates.actions.command_line import require_look
    from misentinel.teammates.queries import list_credentials

    table = Table("id", "name", "key", "earlier key", "may", "last used", "from", "state")
    found = open_customer(customer)
    require_look(actor, found.id)
    for key in list_credentials(found.id):
        state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "active"
        if not key.revoked_at and key.expires_at:
            state = f"until {key.expires_at:%Y-%m-%d}"
        used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never"
        overlap = f"{key.earlier_hint} until {key.earlier_until:%Y-%m-%d %H:%M}" if key.earlier_until else ""
        may = [*sorted(key.permissions), *["(read-only)"] * key.read_only, *["(signed)"] * bool(key.signing_key)]
        table.add_row(str(key.id), key.name, key.hint, overlap, ", ".join(may), used, key.last_used_from, state)
    if table.row_count:
        console.print(table)
    else:
        console.print(f"There are no keys yet. misentinel key create NAME --customer {customer} --write")


@group.command("rotate")
@click.argument("key", type=click.UUID)
@customer_option
@click.option(
    "--overlap", type=click.IntRange(0, 168), default=24, show_default=True,
    help="Hours for which the present secret still works.",
)  # fmt: skip
@recorded(Tag.CREDENTIAL_ROTATE)
def rotate(actor: Actor, key: UUID, customer: str, overlap: int) -> None:
    """Give a key a new secret and print it once; the earlier one works on for a while."""
    from misentinel.teammates.actions import rotate_credential
    from misentinel.teammates.actions.command_line import require_free_hand

    found = open_customer(customer)
    require_free_hand(actor, found.id)
    made = rotate_credential(actor, found.id, key, overlap=timedelta(hours=overlap))
    console.print(made.secret)
    console.print("Kept only as a digest: this is the one time it is shown.")
    console.print(
        f"The earlier secret, {made.view.earlier_hint}, works until {made.view.earlier_until:%Y-%m-%d %H:%M}."
    )


@group.command("signing")
@click.argument("key", type=click.UUID)
@customer_option
@click.option(
    "--public-key", type=click.File(), help="PEM file with the Ed25519 public key; without, none is asked for."
)
@recorded(Tag.CREDENTIAL_ROTATE)
def signing(actor: Actor, key: UUID, customer: str, public_key: TextIO | None) -> None:
    """Have every request of a key signed by the holder of a private key, or no longer."""
    from misentinel.teammates.actions import set_signing_key
    from misentinel.teammates.actions.command_line import require_free_hand

    found = open_customer(customer)
    require_free_hand(actor, found.id)
    set_signing_key(actor, found.id, key, public_key.read() if public_key else None)
    console.print(f"Requests with key {key} {'must now be signed' if public_key else 'need no signature'}.")


@group.command("revoke")
@click.argument("key", type=click.UUID)
@customer_option
@click.option("--earlier", is_flag=True, help="Only the secret that a rotation replaced.")
@grant_option
@recorded(Tag.CREDENTIAL_REVOKE)
def revoke(actor: Actor, key: UUID, customer: str, earlier: bool, grant: UUID | None) -> None:
    """Revoke a key by its id: its next request is refused."""
    from misentinel.teammates.actions import end_overlap, revoke_credential
    from misentinel.teammates.actions.command_line import require_containment

    found = open_customer(customer)
    require_containment(actor, found.id)
    if earlier:
        end_overlap(actor, found.id, key)
        console.print(f"The earlier secret of key {key} is revoked.")
    else:
        revoke_credential(actor, found.id, key)
        console.print(f"Key {key} is revoked.")
