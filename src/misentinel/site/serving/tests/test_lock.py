"""One running program a home, and no lock that outlives its holder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from misentinel.kernel.errors import Conflict
from misentinel.site.serving.lock import take_home

HOLD = (
    "import sys, time, pathlib\n"
    "from misentinel.site.serving.lock import take_home\n"
    "lock = take_home(pathlib.Path(sys.argv[1]))\n"
    "print('held', flush=True)\n"
    "time.sleep(60)\n"
)


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_run_is_refused_and_the_first_is_named(tmp_path, holder):
    with pytest.raises(Conflict, match=f"process {holder.pid}"):
        take_home(tmp_path)


def test_the_lock_of_a_killed_run_does_not_block_the_next(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "run.lock").read_text().strip() == str(holder.pid)
    take_home(tmp_path).release()


def test_a_lock_file_that_a_crash_left_behind_does_not_block(tmp_path):
    (tmp_path / "run.lock").write_text(f"{os.getpid()}\n")
    take_home(tmp_path).release()


def test_while_a_dead_run_is_tidied_up_the_next_one_waits(tmp_path):
    lock = take_home(tmp_path)
    heir = subprocess.Popen(["sleep", "0.5"], pass_fds=[lock.fd])
    os.pwrite(lock.fd, b"4194305\n", 0)  # beyond the largest process id there can be: a holder that is dead
    lock.release()
    steps = []
    take_home(tmp_path, steps.append).release()
    assert set(steps) == {"waiting for an earlier run to be tidied up"}
    assert heir.wait() == 0
