"""The command `misentinel run`: tells the steps on standard error, and the outcome on standard output."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from misentinel.kernel import settings as kernel_settings
from misentinel.kernel.settings import Settings
from misentinel.site.serving.children import die_with_parent
from misentinel.trail.contracts import Tag

if TYPE_CHECKING:
    from misentinel.site.serving.authority import Certificate
    from misentinel.site.serving.demo import Demo


def _leaves(tag: Tag) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Says which entry the command leaves; `start` records it when there is a trail to record it on."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        function.tag = tag  # type: ignore[attr-defined]
        return function

    return decorate


@click.command()
@click.option("--demo", is_flag=True, help="Create a customer to look around in, with its owner and keys.")
@click.option("--json", "as_json", is_flag=True, help="Tell what is served as one line of JSON.")
@_leaves(Tag.SERVICE_START)
def run(demo: bool, as_json: bool) -> None:
    """Start everything and serve it over HTTPS, until Ctrl-C or SIGTERM."""
    from misentinel.site.serving import start

    die_with_parent()
    settings = kernel_settings.load()
    console = Console(stderr=True, highlight=False)
    with console.status("starting") as status:

        def telling(step: str) -> None:
            if console.is_terminal:
                status.update(step)
            else:
                console.print(step)

        def ready(certificate: Certificate, made: Demo | None) -> None:
            status.stop()
            if as_json:
                print(_as_json(settings, certificate, made), flush=True)  # noqa: T201  what the command is for
            else:
                _tell(settings, certificate, made)

        start.run(settings, demo=demo, telling=telling, ready=ready)


def _as_json(settings: Settings, certificate: Certificate, made: Demo | None) -> str:
    told = {"url": settings.base_url, "authority": str(certificate.authority or "")}
    if made is not None:
        told |= {
            "customer": made.slug,
            "customer_id": str(made.customer_id),
            "owner": made.owner,
            "enrolment_link": settings.base_url + made.enrolment_path if made.enrolment_path else "",
            "write_key": made.write_key,
            "api_token": made.api_token,
        }
    return json.dumps(told)


def _tell(settings: Settings, certificate: Certificate, made: Demo | None) -> None:
    out = Console(highlight=False, soft_wrap=True, markup=False)
    out.print(f"\nMiSentinel is served at {settings.base_url}   (Ctrl-C stops it)", style="bold")
    if certificate.authority is not None:
        out.print(f"  Its certificate is from an authority of its own; trust {_short(certificate.authority)} to be rid")
        out.print("  of the browser's warning. It can vouch for no other site.")
    if made is not None:
        _tell_demo(out, settings, certificate, made)
    sys.stdout.flush()


def _tell_demo(out: Console, settings: Settings, certificate: Certificate, made: Demo) -> None:
    if made.enrolment_path:
        out.print(f"\n  Enrol as {made.owner}, who owns the customer {made.slug} (this link works once):")
        out.print(f"    {settings.base_url}{made.enrolment_path}")
    else:
        out.print(f"\n  Sign in as {made.owner}, who owns the customer {made.slug}.")
    if made.write_key:
        out.print(f"  Write key  {made.write_key}")
    if made.api_token:
        out.print(f"  API token  {made.api_token}")
    if made.write_key or made.api_token:
        out.print("  Keep these two: they are not shown again.")
    out.print("\n  Three commands to try next:")
    for command in commands(settings, certificate, made):
        out.print(f"    {command}")
    out.print()


def commands(settings: Settings, certificate: Certificate, made: Demo) -> list[str]:
    """Returns the three commands that a newcomer tries next, as a shell takes them."""
    trust = f"--cacert {shlex.quote(_short(certificate.authority))} " if certificate.authority else ""
    body = json.dumps({"userId": "u-1", "event": "Signed up", "context": {"traits": {"email": "cleo@example.com"}}})
    key = made.write_key or "WRITE_KEY"
    program = shlex.quote(_short(Path(sys.argv[0]).resolve()))
    home = "" if settings.home == Path("var").resolve() else f"MISENTINEL_HOME={shlex.quote(str(settings.home))} "
    return [
        f"curl {trust}-u {key}: -H 'Content-Type: application/json' -d {shlex.quote(body)} "
        f"{settings.base_url}/v1/track",
        f"{home}{program} customer show {made.slug}",
        f"{home}{program} trail list",
    ]


def _short(path: Path) -> str:
    """The path as a person types it: relative to where they are, if it is below."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
