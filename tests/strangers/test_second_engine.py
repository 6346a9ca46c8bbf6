"""A second engine, ClickHouse's in a process, answers the same questions over the same archive in the same way."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from misentinel.kernel.actor import system
from misentinel.kernel.clock import held, now
from misentinel.trail.actions import record, seal
from misentinel.trail.analysis.asking import answer_over
from misentinel.trail.analysis.contracts import Question
from misentinel.trail.archive import places
from misentinel.trail.archive.folder import FolderArchive
from misentinel.trail.archive.writing import write_archive
from misentinel.trail.contracts import Outcome, Tag
from misentinel.trail.queries import log_of

pytestmark = [pytest.mark.audit, pytest.mark.strangers]
ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-tools" / "bin" / "python"
PERSON = UUID("00000000-0000-8000-8000-000000000777")
ENDED = "log_index < {size}"
QUESTIONS = [
    "SELECT tag, count(*) AS n FROM entries WHERE {ended} GROUP BY tag ORDER BY n DESC, tag LIMIT 10",
    "SELECT actor_id, tag, count(*) AS n FROM entries WHERE {ended} AND person_id = '{person}' "
    "GROUP BY actor_id, tag ORDER BY n DESC, actor_id, tag",
    "SELECT actor_id, count(*) AS n FROM entries WHERE {ended} AND outcome = 'failed' GROUP BY actor_id ORDER BY n",
    "SELECT class_uid, min(log_index), max(log_index), count(DISTINCT id) FROM entries WHERE {ended} "
    "GROUP BY class_uid ORDER BY class_uid",
    "SELECT tag, count(*) AS n FROM entries WHERE {ended} AND time >= '2026-03-01 00:00:00' "
    "AND time < '2026-04-01 00:00:00' GROUP BY tag ORDER BY tag",
    "SELECT count(*) FROM entries WHERE {ended} AND tag LIKE 'person:%' AND details LIKE '%count%'",
]
ASK = """
import sys, json, chdb
asked = json.load(sys.stdin)
source = "file('" + asked["files"] + "', 'Parquet')"
for sql in asked["questions"]:
    answer = chdb.query(sql.replace("FROM entries", "FROM " + source), "JSONCompactEachRow")
    print(answer.bytes().decode().replace("\\n", "|"))
"""


def test_the_same_questions_have_the_same_answers(acme, tmp_path) -> None:
    with places.using(FolderArchive(tmp_path / "archive", "GB")):
        for day in range(60):
            with held(now().replace(year=2026, month=3, day=1) + timedelta(days=day)), acme.atomic():
                for n in range(5):
                    record(
                        acme,
                        system(f"t{n}"),
                        Tag.PERSON_VIEW,
                        person_id=PERSON if n % 2 else None,
                        details={"count": n},
                    )
                record(acme, system("t"), Tag.SIGN_IN_FAIL, outcome=Outcome.FAILED)
        log = log_of(acme)
        while seal(log):
            pass
        size = write_archive(system("test"), log).end
        asked = [one.format(ended=ENDED.format(size=size), person=PERSON) for one in QUESTIONS]
        ours = [answer_over(log, Question(sql)).rows for sql in asked]
    done = subprocess.run(
        [PYTHON, "-c", ASK], input=json.dumps({"files": f"{tmp_path}/archive/ext/**/*.parquet", "questions": asked}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = [
        [[int(cell) if str(cell).isdecimal() else cell for cell in json.loads(row)] for row in line.split("|") if row]
        for line in done.stdout.splitlines()
    ]
    assert theirs == ours and all(ours)
