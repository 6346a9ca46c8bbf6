"""The process that answers one question, and can do nothing else: `python -m misentinel.trail.analysis.sandbox`.

It reads the question from its standard input as JSON and writes the answer to its standard output as JSON. It starts
with no environment in an empty folder of links to the files it may read; it cannot write a byte to any file, and the
operating system ends it when its time or memory is used up. The engine may open these files and no other, has no
network, loads no extension, and its configuration is locked before the question is read.

Trust: whoever finds a way around the check of statements is still held by the engine's configuration, and whoever
breaks the engine sits in a process that may read what the program's user may read, and change nothing: limits on files
hold everywhere, Landlock where the kernel has it.
"""

from __future__ import annotations

import datetime
import decimal
import json
import resource
import signal
import sys
import threading
import uuid
from typing import Any

from misentinel.trail.analysis.landlock import give_up_writing
from misentinel.trail.analysis.statements import NotAsked, check

HIDDEN = ("sealed_before", "sealed_after")
THREADS = 2
_SLACK_BYTES = 3 << 30  # address space of libraries and threads, beside what the engine may use
_LONGEST_CELL = 4000


def main() -> None:
    asked = json.loads(sys.stdin.buffer.read())
    confine(asked["seconds"], asked["megabytes"], len(asked["files"]))
    try:
        answer = ask(asked)
    except NotAsked as error:
        answer = {"error": "refused", "message": str(error)}
    json.dump(answer, sys.stdout, default=_plain)


def confine(seconds: int, megabytes: int, files: int) -> None:
    """Gives up what answering does not need. No file can be written; time, memory and open files are bounded."""
    limits = {
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_AS: (megabytes << 20) + _SLACK_BYTES,
        resource.RLIMIT_CPU: (seconds + 2) * THREADS,
        resource.RLIMIT_NOFILE: files + 64,
    }
    for limit, value in limits.items():
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))
    give_up_writing()
    signal.alarm(seconds + 3)  # whoever started this may be gone


def open_engine(files: list[str], megabytes: int) -> Any:
    """Returns an engine with the table `entries` over `files`, which can reach nothing else."""
    import duckdb

    engine = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
            "threads": THREADS,
            "memory_limit": f"{megabytes}MB",
            "temp_directory": "",
            "max_temp_directory_size": "0B",
        },
    )
    engine.read_parquet(files).project(f"* EXCLUDE ({', '.join(HIDDEN)})").create_view("entries")
    engine.execute("SET allowed_paths = ?", [files])
    engine.execute("SET enable_external_access = false")
    engine.execute("SET lock_configuration = true")
    return engine


def ask(asked: dict[str, Any]) -> dict[str, Any]:
    """Returns the answer: columns, rows and whether there were more, or an error and its message."""
    import duckdb

    engine = open_engine(asked["files"], asked["megabytes"])
    check(asked["sql"], engine)
    timer = threading.Timer(asked["seconds"], engine.interrupt)
    timer.daemon = True
    timer.start()
    try:
        engine.execute(asked["sql"])
        columns = [{"name": column[0], "type": str(column[1])} for column in engine.description]
        rows = engine.fetchmany(asked["rows"] + 1)
    except duckdb.InterruptException:
        return {"error": "slow", "message": f"This took longer than {asked['seconds']} s. Name days, or ask for less."}
    except (duckdb.OutOfMemoryException, MemoryError):
        return {"error": "memory", "message": "This needs more memory than a question may use. Ask for less."}
    except duckdb.Error as error:
        return {"error": "wrong", "message": str(error).split("\n\n")[0][:1000]}
    finally:
        timer.cancel()
    return {"columns": columns, "rows": rows[: asked["rows"]], "more": len(rows) > asked["rows"]}


def _plain(value: object) -> object:
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()[:_LONGEST_CELL]
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta | uuid.UUID):
        return str(value)
    return str(value)[:_LONGEST_CELL]


if __name__ == "__main__":
    main()
