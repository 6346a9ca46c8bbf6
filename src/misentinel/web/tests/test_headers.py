"""Every answer carries the policy, and no page needs more than it allows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client

from misentinel.web.console.policy import PREVIEW_POLICY
from misentinel.web.headers import CONTENT_SECURITY_POLICY, UNUSED_FEATURES, USED_FEATURES

WEB = Path(__file__).parents[1]
ANSWERS = ("/sign-in", "/", "/no-such-page", "/robots.txt", "/static/console/console.js", "/api/people", "/u/nothing")


@pytest.fixture(scope="module")
def client() -> Client:
    return Client(headers={"host": "localhost"}, raise_request_exception=False)


@pytest.mark.parametrize("path", ANSWERS)
def test_every_kind_of_answer_is_guarded(client: Client, path: str) -> None:
    headers = client.get(path, secure=True).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'") and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    expected = {
        "Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin", "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff", "X-Permitted-Cross-Domain-Policies": "none",
        "Strict-Transport-Security": "max-age=63072000; includeSubDomains; preload",
    }  # fmt: skip
    assert {name: headers.get(name) for name in expected} == expected


def test_a_page_requires_trusted_types_and_says_where_to_report(client: Client) -> None:
    headers = client.get("/sign-in", secure=True).headers
    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert {"require-trusted-types-for 'script'", "trusted-types default", "report-to policy"} <= set(
        CONTENT_SECURITY_POLICY.split("; ")
    )
    assert headers["Reporting-Endpoints"] == 'policy="/policy-reports"'


def test_every_feature_of_the_platform_is_off_but_the_three_in_use(client: Client) -> None:
    told = client.get("/sign-in", secure=True).headers["Permissions-Policy"]
    found = dict(part.split("=") for part in told.split(", "))
    assert {name for name, value in found.items() if value == "(self)"} == set(USED_FEATURES)
    assert {name for name, value in found.items() if value == "()"} == set(UNUSED_FEATURES)
    assert {"camera", "microphone", "geolocation", "payment", "usb", "clipboard-read"} <= set(UNUSED_FEATURES)


def test_only_the_sandboxed_mail_has_a_style_of_its_own_and_it_can_run_nothing() -> None:
    parts = PREVIEW_POLICY.split("; ")
    assert "sandbox" in parts and "default-src 'none'" in parts
    assert not any(part.startswith(("script-src", "connect-src")) for part in parts)


def test_no_other_view_sets_a_policy() -> None:
    setting = [
        path.name
        for path in WEB.rglob("*.py")
        if "tests" not in path.parts and "Content-Security-Policy" in path.read_text()
    ]
    assert sorted(setting) == ["headers.py", "policy.py"]


def test_the_policy_for_trusted_types_is_loaded_before_any_other_script() -> None:
    head = (WEB / "console/templates/console/parts/head.html").read_text()
    scripts = re.findall(r"<script src=\"\{% static '([^']+)' %\}\"( defer)?>", head)
    assert scripts[0] == ("console/trusted.js", "")
