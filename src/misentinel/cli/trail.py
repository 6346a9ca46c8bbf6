"""`misentinel trail`: read the trail of one customer, or the operator's platform log."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import click
import orjson
from rich.table import Table

from misentinel.cli.command import Actor, console, errors, grant_option, recorded
from misentinel.kernel.errors import Invalid
from misentinel.kernel.ids import parse_id
from misentinel.trail.contracts import EntryFilter, EntryView, Tag


@click.group("trail")
def group() -> None:
    """Read who did or saw what."""


tag_option = click.option(
    "--tag", type=click.Choice(["", *(t.value for t in Tag), *sorted({f"{t.partition(':')[0]}:" for t in Tag})]),
    default="", metavar="TAG", help="For example person:view, or person: for all of that noun.",
)  # fmt: skip


@group.command("list")
@click.option("--customer", default="", help="Short name or id; the operator's platform log if left out.")
@tag_option
@click.option("--actor", "actor_id", default="", help="Id of who acted.")
@click.option("--person", default="", help="Id of the person concerned.")
@click.option("--object", "object_id", default="", help="Id of the object concerned.")
@click.option("--outcome", type=click.Choice(["done", "refused", "failed"]), default=None)
@click.option("--request", "request_id", default="", help="Request id.")
@click.option("--since", type=click.DateTime(), help="From this moment (UTC), inclusive.")
@click.option("--until", type=click.DateTime(), help="Until this moment (UTC), exclusive.")
@click.option("--after", default="", help="Continue after this entry, as the last line of a page says.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@grant_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@recorded(Tag.TRAIL_LIST)
def list_(
    actor: Actor, customer: str, tag: str, actor_id: str, person: str, object_id: str, outcome: str | None,
    request_id: str, since: datetime | None, until: datetime | None, after: str, limit: int, grant: UUID | None,
    as_json: bool,
) -> None:  # fmt: skip
    """List entries, newest first."""
    from misentinel.customers.queries import get_customer
    from misentinel.store.queries import get_store
    from misentinel.teammates.actions.command_line import require_look
    from misentinel.trail.queries import list_entries, list_platform_entries

    wanted = EntryFilter(
        tag=tag, actor_id=actor_id, object_id=object_id, person_id=to_id(person), outcome=outcome or "",
        request_id=request_id, since=_utc(since), until=_utc(until),
    )  # fmt: skip
    if customer:
        found = get_customer(customer)
        require_look(actor, found.id)
        page = list_entries(get_store(found.id), wanted, after=to_id(after), limit=limit)
    else:
        page = list_platform_entries(wanted, after=to_id(after), limit=limit)
    if as_json:
        for entry in page.entries:
            click.echo(orjson.dumps(entry))
        return
    _print(page.entries)
    if page.next:
        console.print(f"More: add --after {page.next}")


@group.command("show")
@click.argument("entry")
@click.option("--customer", required=True, help="Short name or id.")
@grant_option
@recorded(Tag.TRAIL_VIEW)
def show(actor: Actor, entry: str, customer: str, grant: UUID | None) -> None:
    """Show one entry of a customer's trail. What is sealed stays sealed: opening it is for the customer's teammates."""
    from misentinel.customers.queries import get_customer
    from misentinel.store.queries import get_store
    from misentinel.teammates.actions.command_line import require_look
    from misentinel.trail.queries import get_entry

    entry_id = to_id(entry)
    if entry_id is None:
        raise Invalid("Name the entry by its id, as `misentinel trail list` shows it.")
    whose = get_customer(customer)
    require_look(actor, whose.id)
    found = get_entry(get_store(whose.id), entry_id, opened=False)
    click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))


@group.command("query")
@click.argument("sql")
@click.option("--customer", default="", help="Short name or id; the operator's platform log if left out.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="From this day (UTC).")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Up to this day, included.")
@click.option("--seconds", type=click.IntRange(1, 600), default=60, show_default=True, help="How long it may take.")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated, for a spreadsheet.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@grant_option
@recorded(Tag.TRAIL_QUERY)
def query(
    actor: Actor, sql: str, customer: str, since: datetime | None, until: datetime | None, seconds: int, as_csv: bool,
    as_json: bool, grant: UUID | None,
) -> None:  # fmt: skip
    """Ask in SQL, over the table `entries`: what is in the database and what is archived (docs/guide/analysis.md)."""
    from misentinel.customers.queries import get_customer
    from misentinel.store.queries import get_store
    from misentinel.teammates.actions.command_line import require_look
    from misentinel.trail.actions import record_control
    from misentinel.trail.analysis.asking import ask_customer, ask_platform
    from misentinel.trail.analysis.contracts import Question
    from misentinel.trail.analysis.showing import csv_of

    question = Question(sql, since.date() if since else None, until.date() if until else None)
    if customer:
        found = get_customer(customer)
        require_look(actor, found.id)
        with console.status("Asking"):
            answer = ask_customer(get_store(found.id), actor, question, seconds=seconds)
        record_control(actor, Tag.TRAIL_QUERY, object_kind="customer", object_id=found.id)
    else:
        with console.status("Asking"):
            answer = ask_platform(actor, question, seconds=seconds)
    if as_csv:
        click.echo(csv_of(answer), nl=False)
    elif as_json:
        for row in answer.rows:
            click.echo(orjson.dumps(dict(zip(answer.columns, row, strict=True)), default=str))
    else:
        table = Table(*answer.columns)
        for row in answer.rows:
            table.add_row(*("" if cell is None else str(cell) for cell in row))
        console.print(table)
    if answer.more or answer.cold:
        left = ["further rows"] * answer.more + [f"{answer.cold} objects in Glacier"] * (answer.cold > 0)
        errors.print(f"Left out: {' and '.join(left)}.")


def _print(entries: list[EntryView]) -> None:
    if not entries:
        console.print("There are no such entries.")
        return
    table = Table("at (UTC)", "what", "outcome", "who", "object", "person", "id")
    for entry in entries:
        who = f"{entry.actor_kind} {entry.actor_id}".strip()
        table.add_row(
            f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.tag, entry.outcome, who,
            f"{entry.object_kind} {entry.object_id}".strip(), str(entry.person_id or ""), str(entry.id),
        )  # fmt: skip
    console.print(table)


def to_id(text: str) -> UUID | None:
    if not text:
        return None
    found = parse_id(text)
    if found is None:
        raise Invalid(f"{text!r} is not an id.")
    return found


def _utc(moment: datetime | None) -> datetime | None:
    from datetime import UTC

    return moment.replace(tzinfo=UTC) if moment else None
