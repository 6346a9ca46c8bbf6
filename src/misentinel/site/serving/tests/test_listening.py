"""A port that cannot be had is told in one sentence that names it and the setting to change."""

from __future__ import annotations

import socket

import pytest

from misentinel.kernel.errors import Misconfigured, Unavailable
from misentinel.site.serving.listening import listen


def test_a_busy_port_is_named_with_the_setting_to_change():
    with listen("127.0.0.1", 0, "https_port") as first:
        port = first.getsockname()[1]
        with pytest.raises(Unavailable, match=rf"Port {port} .* set MISENTINEL_HTTPS_PORT"):
            listen("127.0.0.1", port, "https_port")


def test_a_port_is_free_again_as_soon_as_its_server_is_gone():
    with listen("127.0.0.1", 0, "https_port") as first:
        port = first.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        first.accept()[0].close()
        client.close()
    listen("127.0.0.1", port, "https_port").close()


@pytest.mark.parametrize(
    ("address", "port", "named"),
    [("127.0.0.1", 70_000, "https_port"), ("nowhere.invalid", 0, "bind"), ("192.0.2.1", 0, "MISENTINEL_BIND")],
)
def test_what_could_never_be_listened_on_is_refused(address, port, named):
    with pytest.raises(Misconfigured, match=named):
        listen(address, port, "https_port")
