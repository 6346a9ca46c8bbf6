"""The audit of our dependencies against a feed of our own: clean, weak, out of reach, half an answer."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/audit_dependencies"
LOCK = "django==5.2.8 \\\n    --hash=sha256:" + "a" * 64 + "\norjson==3.11.0 \\\n    --hash=sha256:" + "b" * 64 + "\n"
WEAKNESS = {
    "id": "PYSEC-2026-1", "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z", "details": "A hole.",
    "affected": [{
        "package": {"name": "django", "ecosystem": "PyPI"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "5.2.9"}]}],
    }],
}  # fmt: skip

pytestmark = pytest.mark.strangers


@contextmanager
def feed(answer) -> Iterator[str]:
    """A feed that speaks OSV's protocol; `answer` takes a package's name and returns a status and a body."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = answer(asked["package"]["name"])
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            """Nothing: the test run's own output is enough."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/query"
        server.shutdown()


def audit(tmp_path: Path, url: str, lock: str = LOCK) -> tuple[int, str]:
    path = tmp_path / "lock.txt"
    path.write_text(lock)
    done = subprocess.run(
        [sys.executable, SCRIPT, path, "--feed", url], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout


def test_packages_without_a_known_weakness_are_clean(tmp_path: Path) -> None:
    with feed(lambda name: (200, {})) as url:
        assert audit(tmp_path, url) == (0, "clean: 2 packages, none with a known weakness\n")


def test_a_weak_package_is_found_with_the_version_that_mends_it(tmp_path: Path) -> None:
    with feed(lambda name: (200, {"vulns": [WEAKNESS]} if name == "django" else {})) as url:
        code, told = audit(tmp_path, url)
    assert code == 1
    assert "django 5.2.8: PYSEC-2026-1, mended in 5.2.9" in told and "findings: 1" in told


@pytest.mark.parametrize("answer", [(500, {}), (403, {"message": "no"})])
def test_a_feed_that_does_not_answer_properly_leaves_it_unknown(tmp_path: Path, answer) -> None:
    with feed(lambda name: answer) as url:
        code, told = audit(tmp_path, url)
    assert (code, told.partition(":")[0]) == (3, "unknown")


def test_a_feed_that_cannot_be_reached_leaves_it_unknown(tmp_path: Path) -> None:
    code, told = audit(tmp_path, "http://127.0.0.1:9/v1/query")
    assert (code, told.partition(":")[0]) == (3, "unknown")


def test_a_lock_file_that_names_nothing_is_not_clean(tmp_path: Path) -> None:
    with feed(lambda name: (200, {})) as url:
        assert audit(tmp_path, url, lock="# nothing\n")[0] == 3
