"""`misentinel trail tail` and `trail who-saw`: the trail as it grows, and who saw one person's data."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

import click
import orjson
from rich.table import Table

from misentinel.cli.command import Actor, console, grant_option, recorded
from misentinel.cli.logs import log_named
from misentinel.cli.trail import group, tag_option, to_id
from misentinel.kernel.errors import Invalid
from misentinel.trail.contracts import EntryFilter, EntryView, Tag

__all__ = ["group"]

if TYPE_CHECKING:
    from misentinel.trail.contracts import Log

_LONGEST_WAIT = 60.0
_DAY = click.DateTime(["%Y-%m-%d"])


@group.command("tail")
@click.option("--customer", default="", help="Short name or id; the operator's platform log if left out.")
@tag_option
@click.option("--actor", "actor_id", default="", help="Id of who acted.")
@click.option("--person", default="", help="Id of the person concerned.")
@click.option("--object", "object_id", default="", help="Id of the object concerned.")
@click.option("--outcome", type=click.Choice(["done", "refused", "failed"]), default=None)
@click.option("--lines", type=click.IntRange(0, 500), default=10, show_default=True, help="How many to begin with.")
@click.option("--follow/--no-follow", default=True, show_default=True, help="Go on until Ctrl-C.")
@click.option(
    "--interval", type=click.FloatRange(0.2, _LONGEST_WAIT), default=1.0, show_default=True,
    help="Seconds between two looks.",
)  # fmt: skip
@grant_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@recorded(Tag.TRAIL_LIST)
def tail(
    actor: Actor, customer: str, tag: str, actor_id: str, person: str, object_id: str, outcome: str | None,
    lines: int, follow: bool, interval: float, grant: UUID | None, as_json: bool,
) -> None:  # fmt: skip
    """Print the newest entries, then each that comes, once it is sealed: within a second while the service runs.

    They come in the order of the log, so none is missed and none comes twice. The look is on the trail from its start.
    """
    from misentinel.store.queries import get_store
    from misentinel.trail.actions import record_control
    from misentinel.trail.queries import list_entries, list_platform_entries, newest_index

    wanted = EntryFilter(
        tag=tag, actor_id=actor_id, object_id=object_id, person_id=to_id(person), outcome=outcome or ""
    )  # fmt: skip
    log = log_named(customer, actor)
    details = {"command": Tag.TRAIL_LIST.value, "follow": follow}
    record_control(actor, Tag.TRAIL_LIST, customer_id=log.customer_id, details=details)
    place = newest_index(log)
    if lines:
        whose = get_store(log.customer_id) if log.customer_id else None
        page = list_entries(whose, wanted, limit=lines) if whose else list_platform_entries(wanted, limit=lines)
        sealed = _sealed_before(log, page.entries, place)
        for entry in reversed(sealed):
            _tell(entry, as_json)
    if follow:
        try:
            _follow(actor, customer, log, wanted, place, interval, as_json)
        except KeyboardInterrupt:
            return  # which is how it is meant to end


def _sealed_before(log: Log, entries: list[EntryView], place: int) -> list[EntryView]:
    """Those that following from `place` on will not bring again."""
    from misentinel.trail.queries import places_of

    places = places_of(log, [entry.id for entry in entries])
    return [entry for entry in entries if places.get(entry.id, place) < place]


def _follow(
    actor: Actor, customer: str, log: Log, wanted: EntryFilter, place: int, interval: float, as_json: bool
) -> None:
    from misentinel.trail.queries import follow as follow_log

    while True:
        entries, further = follow_log(log, wanted, place)
        if entries:
            log_named(customer, actor)  # an access that is over shows nothing more
        for _, entry in entries:
            _tell(entry, as_json)
        if further == place:
            time.sleep(interval)
        place = further


def _tell(entry: EntryView, as_json: bool) -> None:
    if as_json:
        click.echo(orjson.dumps(entry))
        return
    about = str(entry.person_id or "") or f"{entry.object_kind} {entry.object_id}".strip()
    who = f"{entry.actor_kind} {entry.actor_id}".strip()
    told = [f"{entry.at:%Y-%m-%d %H:%M:%S}Z", entry.outcome, entry.tag, who, about, str(entry.id)]
    click.echo("  ".join(filter(None, told)))


@group.command("who-saw")
@click.argument("person")
@click.option("--customer", required=True, help="Short name or id.")
@click.option("--from", "first", type=_DAY, required=True, help="The first day, in the customer's time zone.")
@click.option("--to", "last", type=_DAY, required=True, help="The last day, which belongs to the range.")
@click.option("--proofs", type=click.Path(file_okay=False, path_type=Path), help="Write a proof of each look here.")
@grant_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@recorded(Tag.TRAIL_LIST)
def who_saw(
    actor: Actor, person: str, customer: str, first: datetime, last: datetime, proofs: Path | None,
    grant: UUID | None, as_json: bool,
) -> None:  # fmt: skip
    """Count who saw PERSON's data, alone or in a list. PERSON is their id, as it stands on entries."""
    from misentinel.customers.queries import get_customer
    from misentinel.store.queries import get_store
    from misentinel.trail.queries import complete_since, list_readers

    person_id, whose = to_id(person), get_customer(customer)
    if person_id is None:
        raise Invalid("Name the person by their id, as entries and profiles show it.")
    log = log_named(customer, actor)
    store = get_store(whose.id)
    since, until = _range(first.date(), last.date(), ZoneInfo(whose.time_zone))
    readers = list_readers(store, person_id, since=since, until=until)
    if as_json:
        for reader in readers:
            click.echo(orjson.dumps(reader))
    elif readers:
        table = Table("who", "looks", "first (UTC)", "last (UTC)")
        for each in readers:
            who = f"{each.actor_kind} {each.actor_id}".strip()
            table.add_row(who, str(each.looks), f"{each.first:%Y-%m-%d %H:%M:%S}", f"{each.last:%Y-%m-%d %H:%M:%S}")
        console.print(table)
    else:
        console.print("Nobody was shown this person's data on these days.")
    whole = complete_since(store)
    if whole is not None and whole > since:
        click.echo(f"Entries before {whole:%Y-%m-%d %H:%M} UTC are in the archive, and not counted here.", err=True)
    if proofs is not None:
        written = _prove_all(log, EntryFilter(seen_person=person_id, since=since, until=until), proofs)
        click.echo(f"{written} proofs in {proofs}. Check one: misentinel trail verify FILE --key KEY", err=True)


def _range(first: date, last: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    if not date.min < first <= last < date.max - timedelta(days=1):
        raise Invalid("The range ends before it begins, or is no range that a calendar has.")
    start, end = (datetime.combine(day, time_of_day(), zone) for day in (first, last + timedelta(days=1)))
    return start, end


def _prove_all(log: Log, wanted: EntryFilter, folder: Path) -> int:
    from misentinel.store.queries import get_store
    from misentinel.trail.queries import all_entries, prove

    if log.customer_id is None:
        raise Invalid("The platform log names no person.")
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for entry in all_entries(get_store(log.customer_id), wanted):
        data, proof = prove(log, entry.id)
        path = folder / f"{entry.id}.tlog-proof"
        path.write_text(str(proof))
        path.with_suffix(".entry").write_bytes(data)
        written += 1
    return written
