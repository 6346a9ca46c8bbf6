"""A WSGI application of a few lines, so that the web server can be tried without anything behind it."""

from __future__ import annotations

import errno


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/breaks":
        raise ValueError("asha@example.com paid with 4111 1111 1111 1111")
    if path == "/disk":
        raise OSError(errno.ENOSPC, "No space left on device")
    status = path.removeprefix("/status/") if path.startswith("/status/") else "200"
    body = environ["wsgi.input"].read() if environ["REQUEST_METHOD"] == "POST" else b"hello"
    headers = [
        ("Content-Type", "text/plain"),
        ("Server", "tell-tale"),
        ("Strict-Transport-Security", "max-age=1"),
    ]
    if status not in ("204", "304"):
        headers.append(("Content-Length", str(len(body))))
    start_response(f"{status} Whatever", headers)
    return [body]
