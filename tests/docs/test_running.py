"""docs/guide/running.md says what is so: the limits, the suites' promise, the exit codes."""

from __future__ import annotations

import re
from pathlib import Path

from misentinel.cli import failures
from misentinel.kernel import errors
from misentinel.site.serving import authority, logs, start, web, worker

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "running.md").read_text()


def test_the_figures_on_the_page_are_those_of_the_program():
    for said in (
        f"{worker.REQUEST_SECONDS:.0f} s for the head",
        f"{worker.BODY_SECONDS:.0f} s for its body",
        f"{worker.ANSWER_SECONDS:.0f} s to take an answer",
        f"{web.HEADER_BYTES} bytes",
        f"at most {web.HEADER_COUNT} headers",
        f"lasts {authority.SERVER_LIFE.days} days",
        f"when {authority.RENEW_BEFORE.days} are left",
        f"less than {start.FREE_BYTES // 2**20} MB free",
        f"above {logs.ROTATE_BYTES // 2**20} MB",
    ):
        assert said in PAGE, said


def test_the_exit_codes_on_the_page_are_those_of_the_program():
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, flags=re.MULTILINE)}
    told = {
        errors.Invalid.exit_code,
        errors.Conflict.exit_code,
        errors.Unavailable.exit_code,
        errors.Misconfigured.exit_code,
        failures.UNFORESEEN,
        failures.NO_SPACE,
    }
    assert listed == told
