"""What every command shares: the settings, an actor, an entry on the trail, and errors told in one sentence."""

from __future__ import annotations

import functools
import getpass
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import click
from rich.console import Console

from misentinel.kernel.actor import Actor, operator
from misentinel.kernel.errors import MiSentinelError
from misentinel.trail.contracts import Outcome, Tag

# A pipe has no width: tables are then as wide as their content, so that nothing in them is cut off.
console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 250)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

Command = Callable[..., None]


def recorded(tag: Tag) -> Callable[[Command], Command]:
    """Makes a function a command that acts as the operator and leaves an entry under `tag`, refusals included.

    The function gets the actor first. A customer named by the option or argument `customer` gets the entry on its own
    trail; anything else is told to the platform log. Nothing is done when the trail cannot be written.
    """

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def run(**arguments: Any) -> None:
            _prepare()
            from misentinel.trail.actions import noticing, record_control

            actor = operator(_login())
            with noticing() as noticed:
                try:
                    function(actor, **arguments)
                except MiSentinelError as error:
                    details = {"command": tag.value, "error": error.code}
                    record_control(actor, tag, outcome=Outcome.FAILED, details=details)
                    raise
                if not noticed:
                    record_control(actor, tag, customer_id=_customer_id(arguments), details={"command": tag.value})

        run.tag = tag  # type: ignore[attr-defined]
        return run

    return decorate


def _not_prepared() -> None:
    raise RuntimeError("commands run through misentinel.site.main")


_prepare: Callable[[], None] = _not_prepared


def use_preparation(prepare: Callable[[], None]) -> None:
    """Called by the site: what makes settings, databases and ports ready before a command runs."""
    global _prepare
    _prepare = prepare


def _login() -> str:
    """The operating system's name for who runs this; behind sudo, for who called it."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


def _customer_id(arguments: dict[str, Any]) -> Any:
    from misentinel.customers.queries import find_customer

    named = arguments.get("customer")
    found = find_customer(named) if named else None
    return found.id if found and found.closed_at is None else None


def fail(sentence: str, exit_code: int) -> NoReturn:
    """Tells an error in one sentence and ends the program with its exit code."""
    errors.print("[bold red]Error:[/]", end=" ")
    errors.print(click.unstyle(sentence), markup=False)
    sys.exit(exit_code)


def confirm(question: str, yes: bool) -> None:
    """Asks before something that cannot be undone, unless `--yes` was given; no answer is a no."""
    if not yes:
        click.confirm(question, abort=True)


__all__ = ["Actor", "confirm", "console", "errors", "fail", "recorded"]
