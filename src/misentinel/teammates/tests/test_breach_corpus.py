"""Lists of leaked passwords: loaded whole or not at all, looked up at once by whoever asks, nonsense refused."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path

import pytest

from misentinel.kernel.errors import Invalid, Unavailable
from misentinel.teammates import passwords
from misentinel.teammates.models import Teammate
from misentinel.teammates.passwords import blocklist, loading
from misentinel.teammates.passwords.blocklist import FILE, Kind
from misentinel.teammates.passwords.md4 import md4, ntlm
from tests.cast import hire

LEAKED = [f"leaked but long enough {number}" for number in range(3000)]


def line(password: str, kind: Kind = Kind.SHA1, count: str = ":3") -> str:
    return kind.digest(password).hex().upper() + count


def listed(folder: Path, lines: list[str], end: str = "\n") -> Path:
    path = folder / "list.txt"
    path.write_bytes("".join(one + end for one in lines).encode())
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MISENTINEL_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        (b"abc", "a448017aaf21d8525fc10ae87aa6729d"),
        (b"message digest", "d9130a8164549fe818874806e1c7014b"),
        (b"1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
    ],
)
def test_md4_as_rfc_1320_has_it(message: bytes, digest: str) -> None:
    assert md4(message).hex() == digest


def test_ntlm_as_windows_has_it() -> None:
    assert ntlm("password").hex() == "8846f7eaee8fb117ad06bdd830b7586c"


@pytest.mark.parametrize("kind", list(Kind))
def test_what_leaked_is_found_and_nothing_else(home: Path, kind: Kind) -> None:
    """In any order, twice, in either case, with and without counts, with either end of line."""
    lines = [line(password, kind, random.choice(["", ":1", ":90000000"])) for password in LEAKED]
    lines = [one.lower() if number % 2 else one for number, one in enumerate([*lines, *lines[:50]])]
    random.Random(3).shuffle(lines)
    loaded = loading.load(listed(home, lines, "\r\n"), home)
    assert (loaded.kind, loaded.digests, loaded.wrong_lines) == (kind, len(LEAKED), 0)
    assert all(blocklist.leaked(password) for password in LEAKED)
    assert not any(blocklist.leaked(f"never leaked {number}") for number in range(3000))
    found = blocklist.find()
    assert found.is_whole()
    assert found.status.false_positives <= 1e-6
    assert found.status.size < 3.5 * len(LEAKED) + 200


def test_a_list_of_one(home: Path) -> None:
    loading.load(listed(home, [line("only this one leaked")], end=""), home)
    assert blocklist.leaked("only this one leaked")
    assert not blocklist.leaked("not this one at all")


def test_padding_with_a_count_of_zero_is_left_out(home: Path) -> None:
    loading.load(listed(home, [line("leaked"), line("padding", count=":0")]), home)
    assert blocklist.leaked("leaked")
    assert not blocklist.leaked("padding")


def test_a_new_list_holds_at_once_and_a_failed_one_changes_nothing(home: Path) -> None:
    loading.load(listed(home, [line("the first list")]), home)
    assert blocklist.leaked("the first list")
    with pytest.raises(Invalid):
        loading.load(listed(home, ["nonsense"] * 20), home)
    assert blocklist.leaked("the first list")
    loading.load(listed(home, [line("the second list")]), home)
    assert blocklist.leaked("the second list")
    assert not blocklist.leaked("the first list")
    assert sorted(path.name for path in home.iterdir()) == ["list.txt", FILE], "nothing is left lying about"


def test_a_stray_line_is_told_by_its_number_and_left_out(home: Path) -> None:
    lines = [line(password) for password in LEAKED]
    lines[1999] = "not a digest"
    loaded = loading.load(listed(home, lines), home)
    assert (loaded.wrong_lines, loaded.wrong, loaded.digests) == (1, [2000], len(LEAKED) - 1)


@pytest.mark.parametrize(
    "lines",
    [
        [], ["hello"], ["x" * 5000], ["\x00" * 300], [line("a")[:39]], ["G" * 40], [line("a") + "x"],
        [line("a"), "nonsense"], [line("a"), *[line("b", Kind.NTLM)] * 20], [line("a", count=":0")], ["_" * 40],
    ],
)  # fmt: skip
def test_what_is_no_list_is_refused_and_nothing_is_loaded(home: Path, lines: list[str]) -> None:
    with pytest.raises(Invalid):
        loading.load(listed(home, lines), home)
    assert blocklist.find() is None


@pytest.mark.parametrize("name", ["not-there", "."])
def test_what_cannot_be_read_is_told(home: Path, name: str) -> None:
    with pytest.raises(Invalid, match="cannot be read"):
        loading.load(home / name, home)


def test_a_file_that_broke_is_told_and_keeps_nobody_out(home: Path) -> None:
    loading.load(listed(home, [line(password) for password in LEAKED]), home)
    path = home / FILE
    os.truncate(path, path.stat().st_size - 100)
    with pytest.raises(Unavailable, match="not whole"):
        blocklist.find()
    assert passwords.known_to_have_leaked(LEAKED[0]) is False
    loading.load(home / "list.txt", home)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size - 60)
        file.write(b"\xff\xfe")
    assert not blocklist.find().is_whole()


def test_a_leaked_password_cannot_be_chosen(acme, home: Path) -> None:
    asha: Teammate = hire(acme.customer_id, "Asha")
    leaked = "seven loud badgers by the mill"
    assert passwords.digest(asha, leaked)
    loading.load(listed(home, [hashlib.sha1(leaked.encode()).hexdigest()]), home)
    with pytest.raises(Invalid, match="leaked"):
        passwords.digest(asha, leaked)
