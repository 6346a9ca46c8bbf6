"""`misentinel sink`: where the platform log and customers' trails are shipped to."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO
from uuid import UUID

import click
from rich.table import Table

from misentinel.cli.command import Actor, confirm, console, grant_option, recorded
from misentinel.kernel.errors import Invalid
from misentinel.trail.contracts import Log, Tag
from misentinel.trail.shipping.contracts import SinkKind, SinkView

if TYPE_CHECKING:
    from collections.abc import Callable

_whose = click.option("--customer", default="", help="Short name or id; the operator's platform log if left out.")


@click.group("sink")
def group() -> None:
    """Ship sealed entries of the trail to where somebody else keeps them too."""


@group.command("add")
@click.argument("name")
@click.option("--kind", type=click.Choice([kind.value for kind in SinkKind]), required=True, help="How to speak to it.")
@click.option("--to", "address", required=True, help="HOST:PORT for syslog and lines, an HTTPS URL for the others.")
@click.option("--location", required=True, help="The country it is in, like GB. Elsewhere it gets no personal data.")
@click.option("--secret-file", type=click.File(), help="Holds the token or key; - reads it from standard input.")
@click.option("--from", "first", type=click.IntRange(0), default=0, show_default=True, help="The first index it gets.")
@click.option(
    "--plain-end", is_flag=True, help="Take a stream's plain end for its acknowledgement (rsyslog with GnuTLS)."
)
@_whose
@recorded(Tag.SINK_ADD)
def add(
    actor: Actor, name: str, kind: str, address: str, location: str, secret_file: TextIO | None, first: int,
    plain_end: bool, customer: str,
) -> None:  # fmt: skip
    """Add a sink. It gets the log from its beginning on, or from the index that --from names."""
    from misentinel.teammates.actions.command_line import require_free_hand
    from misentinel.trail.shipping.actions import add_sink

    _, made = add_sink(
        actor, _log(customer, actor, require_free_hand), name=name, kind=SinkKind(kind), address=address,
        location=location, secret=secret_file.read().strip() if secret_file else "", first=first, plain_end=plain_end,
    )  # fmt: skip
    if made:
        console.print(made)
        console.print("The key that signs what this sink gets. Kept sealed: this is the one time it is shown.")
    console.print(f"{name} gets what is sealed from now on within seconds; misentinel sink list shows how far it is.")


@group.command("list")
@_whose
@grant_option
@recorded(Tag.SINK_LIST)
def list_(actor: Actor, customer: str, grant: UUID | None) -> None:
    """List the sinks of a log: how far each is, and what is wrong."""
    from misentinel.teammates.actions.command_line import require_look
    from misentinel.trail.shipping.queries import list_sinks

    table = Table("name", "kind", "to", "in", "personal data", "next", "waiting", "dead letters", "state")
    for sink in list_sinks(_log(customer, actor, require_look).customer_id):
        table.add_row(
            sink.name, sink.kind.value, sink.address, sink.location, "yes" if sink.gets_personal_data else "withheld",
            str(sink.next_index), str(sink.waiting), str(sink.dead_letters), _state(sink),
        )  # fmt: skip
    if table.row_count:
        console.print(table)
    else:
        console.print("There are no sinks here. misentinel sink add --help says how to add one.")


@group.command("pause")
@click.argument("name")
@_whose
@grant_option
@recorded(Tag.SINK_PAUSE)
def pause(actor: Actor, name: str, customer: str, grant: UUID | None) -> None:
    """Stop shipping to a sink; it goes on from there when it is resumed."""
    from misentinel.teammates.actions.command_line import require_containment
    from misentinel.trail.shipping.actions import pause_sink

    pause_sink(actor, _find(name, _log(customer, actor, require_containment)).id)
    console.print(f"{name} is paused.")


@group.command("resume")
@click.argument("name")
@_whose
@recorded(Tag.SINK_RESUME)
def resume(actor: Actor, name: str, customer: str) -> None:
    """Ship to a paused sink again, or try at once one that waits after a failure."""
    from misentinel.teammates.actions.command_line import require_free_hand
    from misentinel.trail.shipping.actions import resume_sink

    resume_sink(actor, _find(name, _log(customer, actor, require_free_hand)).id)
    console.print(f"{name} is shipped to again.")


@group.command("replay")
@click.argument("name")
@click.option("--from", "first", type=click.IntRange(0), help="Ship again from this index on.")
@click.option("--dead-letters", is_flag=True, help="Send again what the sink refused.")
@_whose
@recorded(Tag.SINK_REPLAY)
def replay(actor: Actor, name: str, first: int | None, dead_letters: bool, customer: str) -> None:
    """Ship again from an index on, or what was refused."""
    from misentinel.teammates.actions.command_line import require_free_hand
    from misentinel.trail.shipping.actions import replay_sink
    from misentinel.trail.shipping.running import replay_dead_letters

    if (first is None) != dead_letters:
        raise Invalid("Name either --from INDEX or --dead-letters.")
    sink = _find(name, _log(customer, actor, require_free_hand))
    if first is not None:
        replay_sink(actor, sink.id, first)
        console.print(f"{name} gets everything from index {first} on again. It can tell by index and entry id.")
        return
    taken, left = replay_dead_letters(actor, sink.id)
    console.print(f"{taken} taken, {left} left.")


@group.command("dead-letters")
@click.argument("name")
@_whose
@grant_option
@recorded(Tag.DEAD_LETTER_LIST)
def dead_letters(actor: Actor, name: str, customer: str, grant: UUID | None) -> None:
    """List what a sink refused for good, and why."""
    from misentinel.teammates.actions.command_line import require_look
    from misentinel.trail.shipping.queries import list_dead_letters

    table = Table("index", "entry", "refused at (UTC)", "why")
    for letter in list_dead_letters(_find(name, _log(customer, actor, require_look)).id):
        table.add_row(str(letter.index), str(letter.entry_id), f"{letter.at:%Y-%m-%d %H:%M:%S}", letter.reason)
    if table.row_count:
        console.print(table)
        console.print(f"Send them again: misentinel sink replay {name} --dead-letters")
    else:
        console.print("This sink has refused nothing.")


@group.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_whose
@grant_option
@recorded(Tag.SINK_REMOVE)
def remove(actor: Actor, name: str, yes: bool, customer: str, grant: UUID | None) -> None:
    """Remove a sink with its secret and its dead letters. What it got stays where it is."""
    from misentinel.teammates.actions.command_line import require_containment
    from misentinel.trail.shipping.actions import remove_sink

    sink = _find(name, _log(customer, actor, require_containment))
    confirm(f"Remove {name} ({sink.address}), which has not got {sink.waiting} entries?", yes)
    remove_sink(actor, sink.id)
    console.print(f"{name} is removed.")


def _log(customer: str, actor: Actor, require: Callable[[Actor, UUID], None]) -> Log:
    """The log that was named; `require` says whether the operator may do this to a customer."""
    from misentinel.customers.queries import get_customer
    from misentinel.store.queries import get_store
    from misentinel.trail.queries import log_of, platform_log

    if not customer:
        return platform_log()
    found = get_customer(customer)
    require(actor, found.id)
    return log_of(get_store(found.id))


def _find(name: str, log: Log) -> SinkView:
    from misentinel.trail.shipping.queries import get_sink

    return get_sink(log.customer_id, name)


def _state(sink: SinkView) -> str:
    if sink.paused:
        return f"paused: {sink.last_error}" if sink.last_error else "paused"
    if sink.retry_at:
        return f"tried again at {sink.retry_at:%H:%M:%S}: {sink.last_error}"
    return f"delivered {sink.delivered_at:%Y-%m-%d %H:%M:%S}" if sink.delivered_at else "nothing delivered yet"
