"""A public name is served with a certificate that browsers trust, or not at all."""

from __future__ import annotations

import pytest

from misentinel.kernel.errors import Misconfigured
from misentinel.kernel.settings import Settings
from misentinel.site.serving.start import check_settings


@pytest.mark.parametrize("bind", ["0.0.0.0", "::", "192.0.2.10"])
def test_a_public_name_is_not_served_to_others_with_our_own_authoritys_certificate(bind):
    with pytest.raises(Misconfigured, match="tls_certificate"):
        check_settings(Settings(public_url="https://mail.example.com", bind=bind))
    check_settings(Settings(public_url="https://mail.example.com", bind=bind, tls_certificate="a", tls_key="b"))


@pytest.mark.parametrize(
    ("url", "bind"),
    [
        ("https://mail.example.com", "127.0.0.1"),  # a proxy in front speaks to the public
        ("", "0.0.0.0"), ("https://localhost:8443", "0.0.0.0"), ("https://crm.internal", "0.0.0.0"),
        ("https://crm", "0.0.0.0"), ("https://192.0.2.7", "0.0.0.0"), ("https://crm.test", "::"),
    ],
)  # fmt: skip
def test_a_private_name_may_use_it(url, bind):
    check_settings(Settings(public_url=url, bind=bind))
