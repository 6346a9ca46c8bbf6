"""Mutants that nothing can notice, each with the reason why. A test finds those that no longer exist."""

from __future__ import annotations

from pathlib import Path

LIST = Path(__file__).with_name("equivalent.txt")


def reasons() -> dict[str, str]:
    """By the mutant's name. In the file: a name on a line, its reason on the next, indented."""
    lines = [line for line in LIST.read_text().splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) % 2 or any(line[:1].isspace() == (number % 2 == 0) for number, line in enumerate(lines)):
        raise ValueError(f"{LIST.name}: every name is followed by its reason, indented")
    return {name: reason.strip() for name, reason in zip(lines[::2], lines[1::2], strict=True)}
