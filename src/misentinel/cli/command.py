"""What every command shares: the settings, an actor, an entry on the trail, and errors told in one sentence."""

from __future__ import annotations

import functools
import os
import pwd
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import click
from rich.console import Console

from misentinel.kernel.actor import Actor, operator
from misentinel.kernel.errors import Invalid, Refused
from misentinel.trail.contracts import Outcome, Tag

# A pipe has no width: tables are then as wide as their content, so that nothing in them is cut off.
# Nothing is markup: names and addresses are somebody's words, and a bracket in one must not break a list of all.
console = Console(highlight=False, markup=False, soft_wrap=True, width=None if sys.stdout.isatty() else 250)
errors = Console(highlight=False, markup=False, soft_wrap=True, stderr=True)

Command = Callable[..., None]
_LONGEST_LOGIN = 64


def recorded(tag: Tag) -> Callable[[Command], Command]:
    """Makes a function a command that acts as the operator and leaves an entry under `tag`, refusals included.

    The function gets the actor first. A customer named by the option or argument `customer` gets the entry on its own
    trail; anything else is told to the platform log. A read is told after it was printed; where that cannot be
    written, the command fails. The argument `grant` is the access by which the command is run, and goes on the entry.
    """

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def run(**arguments: Any) -> None:
            _refuse_unspellable(arguments)
            _prepare()
            from misentinel.trail.actions import noticing, record_control

            actor = operator(login(), str(arguments.get("grant") or ""))
            with noticing() as noticed:
                try:
                    function(actor, **arguments)
                except Exception as error:
                    details = {"command": tag.value, "error": getattr(error, "code", "internal")}
                    refused = isinstance(error, Refused)
                    record_control(
                        actor, tag, customer_id=_customer_id(arguments) if refused else None, details=details,
                        outcome=Outcome.REFUSED if refused else Outcome.FAILED,
                    )  # fmt: skip
                    raise
                if not noticed:
                    record_control(actor, tag, customer_id=_customer_id(arguments), details={"command": tag.value})

        run.tag = tag  # type: ignore[attr-defined]
        return run

    return decorate


def _refuse_unspellable(arguments: dict[str, Any]) -> None:
    """Raises `Invalid` for an argument that is not UTF-8: the database could not even be asked for it."""
    for value in arguments.values():
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise Invalid("An argument is not text in UTF-8.") from None


def _not_prepared() -> None:
    raise RuntimeError("commands run through misentinel.site.main")


_prepare: Callable[[], None] = _not_prepared


def use_preparation(prepare: Callable[[], None]) -> None:
    """Called by the site: what makes settings, databases and ports ready before a command runs."""
    global _prepare
    _prepare = prepare


def login() -> str:
    """The operating system's name for who runs this; behind sudo, for who called it.

    Anybody can write the environment, so only root's is believed: whoever is root could name anybody anyway.
    """
    user = os.geteuid()
    caller = os.environ.get("SUDO_UID", "") if user == 0 else ""
    try:
        return pwd.getpwuid(int(caller) if caller.isdecimal() else user).pw_name[:_LONGEST_LOGIN]
    except (KeyError, OverflowError):
        return f"uid {caller or user}"[:_LONGEST_LOGIN]


def _customer_id(arguments: dict[str, Any]) -> Any:
    from misentinel.customers.queries import find_customer

    named = arguments.get("customer")
    found = find_customer(named) if named else None
    return found.id if found and found.closed_at is None else None


grant_option = click.option("--grant", type=click.UUID, help="The access that the customer gave you, by its id.")


def fail(sentence: str, exit_code: int) -> NoReturn:
    """Tells an error in one sentence and ends the program with its exit code."""
    errors.print("Error:", style="bold red", end=" ")
    errors.print(click.unstyle(sentence))
    sys.exit(exit_code)


def confirm(question: str, yes: bool) -> None:
    """Asks before something that cannot be undone, unless `--yes` was given; no answer is a no."""
    if not yes:
        click.confirm(question, abort=True)


__all__ = ["Actor", "confirm", "console", "errors", "fail", "grant_option", "login", "recorded"]
