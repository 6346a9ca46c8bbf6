"""The groups of commands."""

from __future__ import annotations

import click

from misentinel.cli import (
    archive,
    customers,
    keys,
    operators,
    passwords,
    roles,
    single_sign_on,
    sinks,
    stores,
    teammates,
    trail_following,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="misentinel")
def cli() -> None:
    """Customer messaging that can prove it keeps its privacy and security promises."""


for group in (
    customers.group, operators.group, stores.group, teammates.group, roles.group, keys.group, passwords.group,
    single_sign_on.group, sinks.group, trail_following.group, archive.group,
):  # fmt: skip
    cli.add_command(group)
