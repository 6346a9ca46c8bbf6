"""No route takes a file: none is read, and none reaches the disk."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from django.core.exceptions import RequestDataTooBig, SuspiciousMultipartForm
from django.test import Client, RequestFactory

from misentinel.site import urls
from misentinel.web.gate import Edge
from tests.permissions.test_matrix import fill

BODY = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="../../etc/passwd"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n%b\r\n--x--\r\n"
)
KIND = "multipart/form-data; boundary=x"
POSTS = sorted({(d.edge, d.path) for d in urls.DECLARATIONS if d.method == "POST" and d.edge is not Edge.PUBLIC})


@pytest.mark.parametrize(("edge", "path"), POSTS, ids=lambda each: str(each))
def test_a_multipart_body_is_refused_before_it_is_read(edge: Edge, path: str) -> None:
    client = Client(headers={"host": "localhost", "origin": "https://localhost"}, enforce_csrf_checks=True)
    request = client.generic("POST", fill(path), b"--x--", content_type=KIND, secure=True)
    # SCIM answers in its own words, and for a wrong content type its words are 400 (RFC 7644, 3.12)
    assert request.status_code == (400 if path.startswith("scim/") else 415)


def test_where_a_body_is_read_all_the_same_a_file_in_it_is_refused_and_not_spooled(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for size, refusal in ((1_000_000, SuspiciousMultipartForm), (4_000_000, RequestDataTooBig)):
        request = RequestFactory().post("/u/token", BODY % (b"x" * size), content_type=KIND)
        with pytest.raises(refusal):
            request.POST  # noqa: B018  reading it is what parses the body
    assert list(tmp_path.iterdir()) == []


def test_fields_without_a_file_are_read_as_mail_programs_send_them() -> None:
    """RFC 8058, 3.1: one click may come as multipart/form-data."""
    body = b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
    assert RequestFactory().post("/u/token", body, content_type=KIND).POST == {"List-Unsubscribe": ["One-Click"]}
