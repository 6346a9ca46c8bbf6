"""The rows of the table in `docs/guide/ocsf.md`, so that a test can hold the page to the vocabulary."""

from __future__ import annotations

from misentinel.trail.ocsf.vocabulary import MEANINGS


def table() -> list[str]:
    """Returns one row of Markdown for each tag, in the order of the vocabulary."""
    return [
        f"| `{tag.value}` | {found.event_class.name} {found.event_class.uid} | {found.activity} {found.activity_id} "
        f"| {found.severity.name.capitalize()} |"
        for tag, found in MEANINGS.items()
    ]
