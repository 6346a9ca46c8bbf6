"""The log tells what happened and to which request, and nothing about a person."""

from __future__ import annotations

import json
import logging
import sys
import time

from django.http import HttpRequest, HttpResponseServerError
from django.urls import ResolverMatch
from django.utils.log import log_response

from misentinel.kernel.blotting import blot
from misentinel.site.serving import logs
from misentinel.site.serving.logs import JsonLines, rotate


def formatted(record: logging.LogRecord) -> dict[str, object]:
    return json.loads(JsonLines().format(record))


def test_a_failure_that_django_logs_is_told_by_request_id_and_route_and_not_by_path(caplog, monkeypatch):
    request = HttpRequest()
    request.path = "/enrol/s3cr3t"
    request.META = {"misentinel.request_id": "r-1"}
    request.resolver_match = ResolverMatch(print, (), {}, route="enrol/<str:token>")
    try:
        raise ValueError("asha@example.com")
    except ValueError:
        caught = sys.exc_info()
    logger = logging.getLogger("misentinel.tried")
    monkeypatch.setattr(logger, "propagate", True)
    with caplog.at_level(logging.ERROR, logger.name):
        log_response(
            "%s: %s", "Internal Server Error", request.path,
            response=HttpResponseServerError(), request=request, exception=caught[1], logger=logger,
        )  # fmt: skip
    record = caplog.records[0]
    record.exc_info = caught
    line = formatted(record)
    assert (line["request_id"], line["route"]) == ("r-1", "enrol/<str:token>")
    assert line["message"] == "Internal Server Error"
    assert "ValueError" in line["traceback"]
    assert "s3cr3t" not in json.dumps(line)
    assert "asha" not in json.dumps(line)


def test_a_line_is_one_line_whatever_the_message():
    record = logging.LogRecord("part", logging.INFO, "", 0, "one\ntwo %s", ("\u2028three",), None)
    text = JsonLines().format(record)
    assert "\n" not in text
    assert json.loads(text)["message"] == "one\ntwo \u2028three"


def test_addresses_and_card_numbers_are_blotted_out_and_the_rest_stays():
    assert blot("for asha@example.com, twice") == "for [blotted out], twice"
    assert blot("card 4111 1111-1111 1111 declined") == "card [blotted out] declined"
    for kept in ("request 01a20877-188e-7c3b-bd6c-63a3187ab0dd", "took 1234567 ms", "2026-11-23T12:52:30.125+00:00"):
        assert blot(kept) == kept


def test_a_long_word_without_an_address_is_read_once():
    started = time.process_time()
    assert blot("a" * 200_000) == "a" * 200_000
    assert time.process_time() - started < 2


def test_a_log_that_has_grown_is_moved_aside_and_the_oldest_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "ROTATE_BYTES", 10)
    monkeypatch.setattr(logs, "ROTATE_KEEP", 3)
    folder = tmp_path / "log"
    folder.mkdir()
    (folder / "small.log").write_text("x")
    for number in range(5):
        (folder / "web.log").write_text(f"{number}" * 20)
        rotate(tmp_path)
    assert {path.name: path.read_text()[0] for path in folder.iterdir()} == {
        "small.log": "x", "web.log.1": "4", "web.log.2": "3", "web.log.3": "2",
    }  # fmt: skip


def test_a_writer_goes_on_in_the_new_file_after_the_old_was_moved_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "ROTATE_BYTES", 1)
    (tmp_path / "log").mkdir()
    handler = logs._handler(tmp_path / "log" / "web.log")
    try:
        for message in ("before", "after"):
            handler.emit(logging.LogRecord("part", logging.INFO, "", 0, message, (), None))
            if message == "before":
                rotate(tmp_path)
    finally:
        handler.close()
    assert "before" in (tmp_path / "log" / "web.log.1").read_text()
    assert "after" in (tmp_path / "log" / "web.log").read_text()
    assert (tmp_path / "log" / "web.log").stat().st_mode & 0o777 == 0o600


def test_log_files_are_their_owners_alone_and_their_times_are_utc(tmp_path, monkeypatch):
    root, access = logging.getLogger(), logging.getLogger("gunicorn.access")
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    monkeypatch.setattr(access, "handlers", list(access.handlers))
    monkeypatch.setattr(root, "level", root.level)
    path = logs.configure(tmp_path, "web", "INFO")
    logging.getLogger("misentinel.tried").warning("something")
    logging.getLogger("gunicorn.access").info("", extra={"fields": {"status": 200}})
    for file in (path, path.with_name("access.log")):
        assert file.stat().st_mode & 0o077 == 0
        for line in file.read_text().splitlines():
            assert json.loads(line)["time"].endswith("+00:00")
    assert path.parent.stat().st_mode & 0o077 == 0
