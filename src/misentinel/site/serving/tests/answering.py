"""Says that it is well, in the role and home that it is given, until its standard input ends."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from misentinel.site.serving.services import Role, Services
from misentinel.site.serving.status import serve_status

if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    serve_status(listener, Services(Path(sys.argv[1])), Role(sys.argv[2]), lambda: {"last_job": None})
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()
