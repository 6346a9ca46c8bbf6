"""What a person at a terminal is told: a sentence and an exit code, and where the rest is."""

from __future__ import annotations

import errno
import json
import os
import re

import psycopg
import pytest
from django.db.utils import OperationalError

from misentinel.cli.failures import tell
from misentinel.kernel.errors import Misconfigured, Unavailable


def test_an_error_with_a_sentence_is_told_as_it_is(tmp_path):
    told = tell(Misconfigured("Setting bind is missing."), tmp_path)
    assert (told.sentence, told.exit_code) == ("Setting bind is missing.", 78)
    assert list(tmp_path.iterdir()) == []


def full_disk() -> list[BaseException]:
    plain = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    wrapped = Unavailable("x cannot be written")
    wrapped.__cause__ = plain
    of_database = OperationalError("could not extend file")
    of_database.__cause__ = psycopg.errors.DiskFull("could not extend file")
    of_initdb = Unavailable("The embedded data database could not be prepared (initdb): No space left on device")
    return [plain, wrapped, of_database, of_initdb, OSError(errno.EDQUOT, "Disk quota exceeded")]


@pytest.mark.parametrize("error", full_disk(), ids=lambda error: type(error).__name__)
def test_a_full_disk_is_told_as_such_however_it_shows(tmp_path, error):
    told = tell(error, tmp_path)
    assert told.sentence.startswith("The disk is full.")
    assert str(tmp_path) in told.sentence
    assert told.exit_code == 74


def test_a_database_that_does_not_answer_is_told_in_one_line(tmp_path):
    told = tell(OperationalError("connection refused\n\tIs the server running?"), tmp_path)
    assert told == type(told)("A database did not answer: connection refused", 69)


def test_what_nobody_foresaw_is_told_with_a_request_id_that_finds_the_traceback(tmp_path):
    try:
        raise KeyError("asha@example.com")
    except KeyError as error:
        told = tell(error, tmp_path)
    assert told.exit_code == 70
    assert "Traceback" not in told.sentence
    assert "asha" not in told.sentence
    request_id = re.search(r"request ([0-9a-f-]{36})", told.sentence)[1]
    line = json.loads((tmp_path / "log" / "cli.log").read_text())
    assert line["request_id"] == request_id
    assert "KeyError" in line["traceback"]
    assert "asha" not in line["traceback"]


def test_a_log_that_cannot_be_written_is_told_and_hides_nothing(tmp_path):
    home = tmp_path / "a-file"
    home.write_text("")
    told = tell(ValueError("x"), home)
    assert "ValueError" in told.sentence
    assert "cannot be written" in told.sentence
