"""`scripts/mutate_guards`: takes every guard away in turn, prints the rate of those noticed and lists the others."""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.mutation import equivalent
from tests.mutation.finding import find_mutants
from tests.mutation.ground import warm_ground
from tests.mutation.judging import Covering, Verdict, judge, learn_covering

HERE = Path(__file__).parents[2]
TESTS = ("src", "tests")
LEFT_OUT = re.compile(
    r"^src/misentinel/(site|kernel)/|^tests/(e2e|strangers|docs|architecture|mutation)/"
    r"|^tests/test_(?!operator_command_line)|^src/misentinel/messages/tests/test_faults"
    r"|/test_(matrix|many_processes|smtp|mime|latency|templates|protocol|cards|root_key)\.py$"
)
"""What starts programs or floods them, and what walks over no guard: too slow to be let loose on every mutant."""


def main() -> int:
    options = _options()
    mutants = [mutant for mutant in find_mutants() if not options.only or options.only in str(mutant)]
    if options.sample:
        mutants = random.Random(options.seed).sample(mutants, min(options.sample, len(mutants)))
    excused = equivalent.reasons()
    mutants = [mutant for mutant in mutants if mutant.name not in excused or options.also_equivalent]
    files = options.tests.split(",") if options.tests else test_files()
    began = time.monotonic()
    with warm_ground():
        covering = _covering(options, files)
        print(f"{len(mutants)} guards to take away, {len(covering.seconds)} tests to notice", flush=True)
        verdicts = []
        for verdict in judge(mutants, covering):
            verdicts.append(verdict)
            if not verdict.killed:
                print(f"{verdict.how} ({verdict.tests} tests): {verdict.mutant}", flush=True)
            elif len(verdicts) % 50 == 0:
                print(f"… {len(verdicts)} of {len(mutants)}, {time.monotonic() - began:.0f} s", flush=True)
    return _report(options, verdicts, excused, time.monotonic() - began)


def test_files() -> list[str]:
    """The files of tests that may be let loose, the slowest folders spread over both processes."""
    found = [
        path for place in TESTS for path in ((HERE / place).rglob("test_*.py") if "." not in place else [HERE / place])
    ]
    relative = sorted(path.relative_to(HERE).as_posix() for path in found)
    return [path for path in relative if not LEFT_OUT.search(path)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/mutate_guards", description=__doc__)
    parser.add_argument("--only", default="", help="only guards whose line, as listed, contains this")
    parser.add_argument("--sample", type=int, default=0, help="only so many of them, chosen by --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tests", default="", help="only these files of tests, by commas")
    parser.add_argument("--covering", type=Path, help="keep here what the tests cover, or take it from here")
    parser.add_argument("--also-equivalent", action="store_true", help="also those that are excused")
    parser.add_argument("--report", type=Path, default=HERE / "var" / "mutation", help="the folder for the report")
    return parser.parse_args()


def _covering(options: argparse.Namespace, files: list[str]) -> Covering:
    if options.covering and options.covering.exists():
        covering = Covering()
        covering.add(json.loads(options.covering.read_text()))
        return covering
    covering = learn_covering(find_mutants(), files)
    if options.covering:
        options.covering.parent.mkdir(parents=True, exist_ok=True)
        options.covering.write_text(json.dumps({"lines": covering.lines, "seconds": covering.seconds, "failed": []}))
    return covering


def _report(options: argparse.Namespace, verdicts: list[Verdict], excused: dict[str, str], seconds: float) -> int:
    survivors = [verdict for verdict in verdicts if not verdict.killed]
    killed = len(verdicts) - len(survivors)
    told: dict[str, Any] = {
        "guards": len(verdicts), "killed": killed, "rate": round(killed / len(verdicts), 4) if verdicts else None,
        "excused": len(excused), "seconds": round(seconds), "by kind": Counter(v.mutant.kind for v in verdicts),
        "survivors": [str(verdict.mutant) for verdict in survivors],
    }  # fmt: skip
    options.report.mkdir(parents=True, exist_ok=True)
    rows = [asdict(verdict) for verdict in verdicts]
    (options.report / "guards.json").write_text(json.dumps({**told, "verdicts": rows}, indent=1))
    lines = [f"{verdict.how:10} {verdict.seconds:6.2f} s  {verdict.mutant}  {verdict.by}" for verdict in verdicts]
    summary = f"killed {killed} of {len(verdicts)} guards taken away ({len(excused)} more excused), {seconds:.0f} s"
    (options.report / "guards.txt").write_text("\n".join([summary, *sorted(lines)]) + "\n")
    print(summary)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
