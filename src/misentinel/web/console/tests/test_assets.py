"""The assets are what vendor.txt says, and no template asks for what the content security policy forbids."""

import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[4] / "misentinel"
STATIC = SOURCE / "web/console/static/console"
VENDOR = STATIC / "vendor"
TEMPLATES = sorted(SOURCE.glob("**/templates/**/*.html"))
LOADS = {"src", "href", "action", "hx-get", "hx-post"}
REFERENCE = re.compile(r"""\{%\s*(?:static|icon)\s+["']([^"']+)["']""")


def vendored():
    lines = (VENDOR / "vendor.txt").read_text().splitlines()
    return [line.split() for line in lines if line and not line.startswith("#")]


class Violations(HTMLParser):
    """Collects what a strict policy would block: handlers, style, script bodies, foreign addresses."""

    def __init__(self):
        super().__init__()
        self.found = []
        self.script = False

    def handle_starttag(self, tag, attrs):
        self.script = tag == "script"
        if tag == "style":
            self.found.append("<style>")
        for name, value in attrs:
            if name == "style" or name.startswith(("on", "hx-on")):
                self.found.append(f"{name}= on <{tag}>")
            if (
                name in {"src", "href", "action", "hx-get", "hx-post"}
                and re.match(r"\s*(javascript|data):", value or "")
                and not (tag == "img" and value.startswith("data:image/"))
            ):  # a QR code, as the policy allows
                self.found.append(f"{name}={value}")
            if name in {"src", "action"} and re.match(r"\s*(https?:)?//", value or ""):
                self.found.append(f"{name}={value}")

    def handle_endtag(self, tag):
        self.script = False

    def handle_data(self, data):
        if self.script and data.strip():
            self.found.append(f"script body: {data.strip()[:40]}")


def violations(html):
    parser = Violations()
    parser.feed(html)
    return parser.found


def test_every_vendored_file_has_the_hash_that_vendor_txt_records():
    for package, version, _, kept, digest in vendored():
        assert hashlib.sha256((VENDOR / kept).read_bytes()).hexdigest() == digest, f"{package} {version}: {kept}"


def test_nothing_lies_in_the_vendor_folder_that_vendor_txt_does_not_name():
    named = {kept for *_, kept, _ in vendored()} | {"vendor.txt", "tabler/LICENSE"}
    assert {str(path.relative_to(VENDOR)) for path in VENDOR.rglob("*") if path.is_file()} == named


def test_every_vendored_package_comes_with_its_licence():
    for folder in {Path(kept).parts[0] for *_, kept, _ in vendored()}:
        assert (VENDOR / folder / "LICENSE").is_file(), folder


def test_no_stylesheet_or_script_of_ours_loads_from_elsewhere():
    for path in [*STATIC.glob("*.css"), *STATIC.glob("*.js")]:
        assert not re.search(r"https?://", path.read_text()), path


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_needs_what_the_policy_forbids(path):
    html = re.sub(r"\{%.*?%\}|\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
    assert violations(html) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_asset_and_icon_that_a_template_names_exists(path):
    for name in REFERENCE.findall(path.read_text()):
        target = STATIC.parent / name if "/" in name else VENDOR / "icons" / f"{name}.svg"
        assert target.is_file(), name


@pytest.mark.parametrize(
    "html",
    [
        '<p style="color:red">x</p>',
        '<button onclick="go()">x</button>',
        '<button hx-on:click="go()">x</button>',
        "<script>go()</script>",
        "<style>p{}</style>",
        '<a href="javascript:go()">x</a>',
        '<img src="https://example.com/pixel.gif">',
        '<img src="data:text/html,<script>go()</script>">',
        '<iframe src="data:image/svg+xml;base64,eA=="></iframe>',
    ],
)
def test_the_scan_finds_what_a_careless_template_would_hold(html):
    assert violations(html)


def test_no_script_of_ours_writes_markup_or_keeps_anything_personal():
    """Scripts set text, never markup; they run no text, listen to no other window, and store the theme alone."""
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setTimeout\([\"']"
        r"|postMessage|addEventListener\([\"']message|document\.cookie|sessionStorage|indexedDB|\bvar\b|__proto__"
        r"|Object\.assign|document\.domain|window\.open"
    )
    scripts = sorted(STATIC.glob("*.js"))
    assert len(scripts) >= 2
    for script in scripts:
        text = re.sub(r"/\*.*?\*/", "", script.read_text(), flags=re.DOTALL)
        assert not forbidden.findall(text), script.name
        assert '"use strict";' in text, script.name
        stored = set(re.findall(r"localStorage\.setItem\((\S+?),", text))
        assert stored <= {'"misentinel-theme"'}, script.name
