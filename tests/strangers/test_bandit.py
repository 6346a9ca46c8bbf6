"""bandit sees what is planted for it, with our configuration, and nothing in the source."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.strangers
ROOT = Path(__file__).parents[2]
PLANTED = {
    "B324": "import hashlib\nhashlib.md5(b'x')\n",
    "B307": "eval(input())\n",
    "B602": "import subprocess\nsubprocess.run('ls ' + input(), shell=True)\n",
    "B608": "def f(cursor, name):\n    cursor.execute(\"SELECT * FROM people WHERE name = '%s'\" % name)\n",
}


def bandit(path: Path) -> subprocess.CompletedProcess[str]:
    command = [ROOT / ".venv-tools/bin/bandit", "-q", "-c", ROOT / "pyproject.toml", "-r", path]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_it_finds_nothing_in_the_source() -> None:
    done = bandit(ROOT / "src")
    assert done.returncode == 0, done.stdout


def test_it_finds_what_is_planted(tmp_path: Path) -> None:
    for name, code in PLANTED.items():
        (tmp_path / f"{name}.py").write_text(code)
    done = bandit(tmp_path)
    assert done.returncode == 1
    assert [name for name in PLANTED if name not in done.stdout] == []


def test_each_exception_names_what_it_excepts_and_why() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        for line in path.read_text().splitlines():
            if "# nosec" in line:
                told = line.partition("# nosec")[2].split()
                assert told and told[0].startswith("B") and len(told) > 2, f"{path}: {line.strip()}"
