"""Children are started again, given up on with a reason, and never outlive their parent, however it ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from misentinel.kernel.errors import Unavailable
from misentinel.site.serving import supervisor as module
from misentinel.site.serving.supervisor import Stopped, Supervisor

FALLING = "misentinel.site.serving.tests.falling"
PARENT = (
    "import os, pathlib, sys\n"
    "from misentinel.site.serving.supervisor import Supervisor\n"
    "with Supervisor(pathlib.Path(sys.argv[1])) as supervisor:\n"
    f"    supervisor.add('one', '{FALLING}', sys.argv[2], environment=dict(os.environ))\n"
    "    print(supervisor._children[0].process.pid, flush=True)\n"
    "    supervisor.watch()\n"
)


@pytest.fixture(autouse=True)
def signals_as_before():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def home(tmp_path) -> Path:
    (tmp_path / "log").mkdir()
    return tmp_path


def is_alive(process: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def wait_until_gone(process: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_alive(process) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(process)


@pytest.mark.parametrize("ended_by", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_no_child_outlives_the_supervisor(home, ended_by):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(home), "stays"], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    time.sleep(0.5)  # a child that is still being born is tried by the next test
    parent.send_signal(ended_by)
    parent.communicate(timeout=30)
    assert wait_until_gone(child, 5)


def test_a_child_whose_parent_died_while_it_was_starting_does_not_stay(home):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(home), "stays"], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    assert wait_until_gone(child, 10)


def test_a_child_that_does_not_heed_the_signal_is_killed(home, monkeypatch):
    monkeypatch.setattr(module, "STOP_SECONDS", 0.5)
    with Supervisor(home) as supervisor:
        supervisor.add("one", FALLING, "stays-deaf", environment=dict(os.environ))
        process = supervisor._children[0].process
        time.sleep(0.5)
    assert process.returncode == -signal.SIGKILL


def test_a_child_that_fell_over_is_started_again(home, monkeypatch):
    with Supervisor(home) as supervisor:
        supervisor.add("one", FALLING, "stays", environment=dict(os.environ))
        first = supervisor._children[0].process
        first.kill()
        first.wait()
        for _ in range(100):
            supervisor._look_after(supervisor._children[0])
            again = supervisor._children[0].process
            if again is not None and again is not first:
                break
            time.sleep(0.05)
        assert again.poll() is None


def test_a_child_that_keeps_falling_over_ends_the_run_with_its_reason(home, monkeypatch):
    monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.01)
    with Supervisor(home) as supervisor:
        supervisor.add("worker", FALLING, "falls", "1", environment=dict(os.environ))
        with pytest.raises(Unavailable, match=r"worker keeps stopping \(exit code 1\): the reason why it fell"):
            supervisor.watch()
        assert supervisor._children[0].failures == module.ATTEMPTS


def test_a_child_that_says_its_settings_are_wrong_is_not_started_again(home):
    with Supervisor(home) as supervisor:
        supervisor.add("worker", FALLING, "falls", "78", environment=dict(os.environ))
        with pytest.raises(Unavailable, match="the reason why it fell"):
            supervisor.watch()
        assert supervisor._children[0].failures == 1


def test_waiting_ends_when_told_to_stop_when_a_child_falls_over_and_when_time_is_up(home):
    with Supervisor(home) as supervisor:
        with pytest.raises(Unavailable, match="did not answer within 0 s"):
            supervisor.wait_until(lambda: False, 0, "web server")
        supervisor.add("worker", FALLING, "falls", "1", environment=dict(os.environ))
        with pytest.raises(Unavailable, match="worker could not start: the reason why it fell"):
            supervisor.wait_until(lambda: False, 20, "web server")
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped):
            supervisor.wait_until(lambda: False, 20, "web server")


def test_a_chore_that_fails_does_not_end_the_run(home):
    done = []
    with Supervisor(home) as supervisor:
        supervisor.add_chore(lambda: 1 / 0, seconds=0)
        supervisor.add_chore(lambda: done.append(True), seconds=0)
        supervisor._do_chores()
    assert done == [True]
