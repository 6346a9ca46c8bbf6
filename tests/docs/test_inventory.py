"""docs/inventory.md lists what the code does: cryptography, secrets, tables, dangerous calls, connections, logs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps

from misentinel.teammates import second_factor
from tests.docs import scans

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "inventory.md").read_text()
BROKEN = re.compile(r"^(md[245]|sha1|sha|ripemd160|(triple)?des3?|arc[24]|rc[24]|blowfish|cast5|idea|seed|ecb)$", re.I)
# PKCS #1 v1.5 pads signatures here, as RFC 6376 fixes it, and never encrypts.
SIGNS_ONLY = "messages/rules/dkim.py"
# Breach corpora are lists of SHA-1 digests; a password is looked up in them, and nothing is kept or proved with it.
LOOKS_UP_ONLY = "teammates/passwords/blocklist.py"
RANDOM = {"token_bytes", "token_hex", "token_urlsafe"}
SEALS = {"service_key", "seal_secret"}
AT_LEAST = 15  # bytes; 120 bits


def rows(heading: str, nth: int = 0) -> list[list[str]]:
    """The cells of a table of a section, without its head."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = re.findall(r"(?:^\|.*\n)+", section + "\n", flags=re.MULTILINE)[nth]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def ticked(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def test_every_use_of_cryptography_is_in_the_inventory():
    listed = [(ticked(where).pop(), ticked(uses)) for where, uses, _ in rows("Cryptography")]
    found = {file: scans.cryptography_in(tree) for file, tree in scans.sources()}
    unlisted = {
        file: sorted(names - {use for where, uses in listed if file.startswith(where) for use in uses})
        for file, names in found.items()
    }
    assert {file: names for file, names in unlisted.items() if names} == {}, "docs/inventory.md does not tell of these"
    stale = {
        where: sorted(uses - {name for file in found if file.startswith(where) for name in found[file]})
        for where, uses in listed
    }
    assert {where: uses for where, uses in stale.items() if uses} == {}, "docs/inventory.md tells of what is gone"


def test_no_broken_primitive_is_used():
    for file, tree in scans.sources():
        names = scans.cryptography_in(tree)
        allowed = {"sha1"} if file == LOOKS_UP_ONLY else set()
        assert not [name for name in names - allowed if BROKEN.match(name)], file
        assert not names & {"PKCS1v15"} or file == SIGNS_ONLY, file
        assert not names & {"CBC", "CTR", "CFB", "OFB", "Cipher"}, f"{file}: use authenticated encryption"


def test_secrets_come_from_the_systems_random_source():
    """And are long enough: 120 bits and more; TOTP seeds have RFC 4226's 160."""
    lengths = [length for file, tree in scans.sources() for length in _lengths(tree, file)]
    assert len(lengths) >= 6 and min(lengths) >= AT_LEAST
    for file, tree in scans.sources():
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert "random" not in imported, f"{file}: use secrets"
    assert len(second_factor.new_seed()) * 5 == 160


def _lengths(tree: ast.AST, file: str) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and scans.dotted(node.func).rpartition(".")[2] in RANDOM:
            length = node.args[0] if node.args else None
            assert isinstance(length, ast.Constant), f"{file}:{node.lineno}: say how many bytes"
            if "name" not in ast.unparse(node) and not _is_a_name(tree, node):
                yield length.value


def _is_a_name(tree: ast.AST, call: ast.Call) -> bool:
    """Whether the random text only names something, like a database, and opens nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(child is call for child in ast.walk(node.value)):
            return all(re.search(r"name|key_id|draft", ast.unparse(target)) for target in node.targets)
        if isinstance(node, ast.keyword) and any(child is call for child in ast.walk(node.value)):
            return node.arg in {"key_id", "name"}
    return False


def test_secrets_are_compared_in_constant_time():
    """With `compare_digest`, or found by their digest; never with `==`, which stops at the first difference."""
    secret = re.compile(r"(digest|secret|token|password|commitment|signature|seed|otp|mac)$", re.I)
    compared = []
    for file, tree in scans.sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq):
                sides = [scans.dotted(side) for side in (node.left, *node.comparators)]
                if all(sides) and any(secret.search(side) for side in sides):
                    compared.append(f"{file}:{node.lineno} {ast.unparse(node)}")
    assert compared == []


def test_every_secret_has_a_term_on_the_page():
    purposes = set()
    for _, tree in scans.sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                purposes |= {text for name, text in _constants(node) if re.fullmatch(r"_?(PURPOSE|PEPPER)", name)}
            if isinstance(node, ast.Call) and scans.dotted(node.func).rpartition(".")[2] in SEALS:
                purposes |= {node.args[0].value} if isinstance(node.args[0], ast.Constant) else set()
    told = {name for secret, _, _ in rows("Secrets and when they are replaced") for name in ticked(secret)}
    assert told == purposes
    assert all(len(term) > 10 for _, _, term in rows("Secrets and when they are replaced"))


def _constants(node: ast.Assign) -> Iterator[tuple[str, object]]:
    target, value = node.targets[0], node.value
    several = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
    for name, one in zip(target.elts, value.elts, strict=True) if several else [(target, value)]:
        if isinstance(name, ast.Name) and isinstance(one, ast.Constant):
            yield name.id, one.value


def test_every_model_has_a_class_of_protection():
    classes = {name for name, rule in rows("Data") if len(rule) > 20}
    listed = {ticked(table).pop(): kind for table, kind in rows("Data", 1)}
    assert set(listed) == {model._meta.label for model in apps.get_models(include_auto_created=True)}
    assert set(listed.values()) == classes | {"unused"}


def test_what_is_personal_or_a_key_is_told_by_its_columns():
    """A table with sealed columns is no operational one, so that the table above cannot simply be wrong."""
    sealed = {
        model._meta.label
        for model in apps.get_models()
        if {"sealed", "sealed_password", "wrapped", "digest", "token_digest"}
        & {field.name for field in model._meta.fields}
    }
    listed = {ticked(table).pop(): kind for table, kind in rows("Data", 1)}
    assert {listed[label] for label in sealed} <= {"keys", "secrets", "personal"}


def test_every_dangerous_call_is_in_the_inventory():
    found = {(file, call) for file, tree in scans.sources() for call in scans.dangers_in(tree)}
    assert {(ticked(where).pop(), ticked(call).pop()) for where, call, _ in rows("Dangerous calls")} == found


def test_no_command_goes_through_a_shell_and_no_text_becomes_code():
    for file, tree in scans.sources():
        assert not scans.dangers_in(tree) & {"eval", "exec", "compile", "os.system", "os.popen", "pickle", "marshal"}, (
            file
        )
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword):
                assert node.arg != "shell", f"{file}:{node.value.lineno}"


def test_no_pattern_is_made_from_what_somebody_typed():
    """Every pattern is written in the source, out of literals and names of the module."""
    for file, tree in scans.sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and re.match(
                r"re\.(compile|search|match|sub|findall|split)", scans.dotted(node.func)
            ):
                names = {n.id for n in ast.walk(node.args[0]) if isinstance(n, ast.Name)}
                assert all(re.fullmatch(r"_?[A-Z_]+", name) for name in names), f"{file}:{node.lineno}"


def test_every_place_that_opens_a_connection_is_in_the_inventory():
    found = {file for file, tree in scans.sources() if scans.connections_in(tree)}
    assert {ticked(where).pop() for where, *_ in rows("Connections")} == found


def test_every_log_that_is_written_is_in_the_inventory():
    parts = set()
    for _, tree in scans.sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and scans.dotted(node.func) == "logs.configure":
                parts.add(node.args[1].value)
            if isinstance(node, ast.Call) and re.search(
                r"(File|Socket|SysLog|SMTP|HTTP)Handler$", scans.dotted(node.func)
            ):
                raise AssertionError(f"a log beside the documented ones, line {node.lineno}")
    assert {name for log, *_ in rows("Logs") for name in ticked(log)} == parts | {"access"}


def test_every_package_is_pinned_by_hash_and_explained():
    explained = (ROOT / "docs" / "decisions" / "dependencies.md").read_text()
    for kind in ("base", "dev", "tools"):
        locked = (ROOT / "requirements" / f"{kind}.txt").read_text()
        packages = re.findall(r"^([\w.-]+(?:\[[\w,-]+\])?)==\S+( \\\n +--hash=sha256:\w{64})?", locked, re.MULTILINE)
        assert len(packages) > 5 and [name for name, pinned in packages if not pinned] == []
        assert not re.search(r"^--(index-url|extra-index-url|find-links)", locked, re.MULTILINE)
        for line in () if kind == "tools" else (ROOT / "requirements" / f"{kind}.in").read_text().splitlines():
            if wanted := re.match(r"[\w.-]+", line):
                assert wanted[0] in explained, f"docs/decisions/dependencies.md does not say what {wanted[0]} is for"
    assert "within two days" in (ROOT / "SECURITY.md").read_text()


@pytest.mark.parametrize(
    ("planted", "scan", "told"),
    [
        ("import hashlib\nhashlib.md5(b'')", scans.cryptography_in, {"md5"}),
        ("from cryptography.hazmat.primitives.ciphers import modes\nmodes.ECB()", scans.cryptography_in, {"ECB"}),
        ("import random\nrandom.choice('ab')", scans.cryptography_in, {"choice"}),
        ("import pickle\npickle.loads(b'')", scans.dangers_in, {"pickle"}),
        ("eval('1')", scans.dangers_in, {"eval"}),
        ("import socket\nsocket.create_connection(('a', 1))", scans.connections_in, {"socket.create_connection"}),
    ],
)
def test_the_scan_finds_what_was_planted(planted: str, scan: object, told: set[str]):
    assert told <= scan(ast.parse(planted))
