"""Stopping jobs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import psutil
import pytest

from odtool import locks
from odtool.errors import JobError
from odtool.jobs import process, record, shutdown, state
from odtool.workspace import Run

SAVES = (
    "import json, os, pathlib, signal, sys, time\n"
    "def save(*_):\n"
    "    said = dict(state='stopped', reason='saved', time=time.time(), pid=os.getpid())\n"
    "    pathlib.Path('jobs/train.outcome.json').write_text(json.dumps(said))\n"
    "    sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, save)\n"
    "print('ready', flush=True)\n"
    "time.sleep(3000)"
)
DEAF = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(3000)"
)


FAILS_ONCE = (
    "import json, os, pathlib, signal, sys, time\n"
    "first = not pathlib.Path('failed once').exists()\n"
    "pathlib.Path('failed once').touch()\n"
    "def end(*_):\n"
    "    said = dict(state='failed', reason='lost the others', time=time.time(), pid=os.getpid(), retry=True)\n"
    "    said = said if first else {**said, 'state': 'stopped', 'reason': 'saved', 'retry': False}\n"
    "    pathlib.Path('jobs/train.outcome.json').write_text(json.dumps(said))\n"
    "    sys.exit(first)\n"
    "signal.signal(signal.SIGTERM, end)\n"
    "print('ready', flush=True)\n"
    "time.sleep(3000)"
)
"""Asks to be started again at the very moment that it is to stop."""


def ready(run: Run, task: str = "train") -> Callable[[], bool]:
    return lambda: "ready" in run.log(task).read_text()


def test_a_job_that_saves_and_ends_is_stopped(run: Run, start: Callable, until: Callable) -> None:
    start(SAVES)
    until(ready(run))
    found = shutdown.stop(run, ["train", "eval"], timeout=3000, kill=False)
    assert list(found) == ["train"]
    assert (found["train"].state, found["train"].exit_code, found["train"].reason) == ("stopped", 0, "saved")


def test_both_tasks_are_stopped_together(run: Run, start: Callable, until: Callable) -> None:
    start(SAVES)
    start("import time; time.sleep(3000)", "eval")
    until(ready(run))
    found = shutdown.stop(run, ["train", "eval"], timeout=3000, kill=False)
    assert [job.state for job in found.values()] == ["stopped", "stopped"]


def test_what_was_started_again_meanwhile_is_stopped_as_well(run: Run, start: Callable, until: Callable) -> None:
    start(FAILS_ONCE, retries=5)
    until(ready(run))
    assert shutdown.stop(run, ["train"], timeout=3000)["train"].state == "stopped"
    job = record.load(run, "train")
    assert job is not None
    assert job.retried == 1


@pytest.mark.parametrize("code", [SAVES, "import time; print('ready', flush=True); time.sleep(3000)"])
def test_stopping_works_without_the_supervisor(
    run: Run, start: Callable, supervisor_of: Callable, until: Callable, code: str
) -> None:
    supervisor_of(start(code)).kill()
    until(ready(run))
    assert shutdown.stop(run, ["train"], timeout=3000, kill=False)["train"].state == "stopped"


def test_a_deaf_job_is_left_running_unless_it_may_be_killed(run: Run, start: Callable, until: Callable) -> None:
    job = start(DEAF)
    until(ready(run))
    assert shutdown.stop(run, ["train"], timeout=0.2, kill=False)["train"].state == "running"
    found = shutdown.stop(run, ["train"], timeout=0.2, kill=True)["train"]
    assert found.state == "stopped"
    assert found.reason.startswith("killed by odtool stop --kill")
    assert process.find_start_time(job.pid) is None


def test_a_job_that_ends_in_time_is_not_killed(run: Run, start: Callable, until: Callable) -> None:
    start(SAVES)
    until(ready(run))
    shutdown.stop(run, ["train"], timeout=1, kill=True, clock=lambda: 0.0)
    assert state.read(run, "train").reason == "saved"


def test_nothing_to_stop_is_an_error(run: Run, start: Callable, until: Callable) -> None:
    with pytest.raises(JobError, match="train and eval of run 'run one': not running"):
        shutdown.stop(run, ["train", "eval"], timeout=1, kill=True)
    start("")
    until(lambda: state.read(run, "train").state == "finished")
    with pytest.raises(JobError, match="not running"):
        shutdown.stop(run, ["train"], timeout=1, kill=True)


def test_a_reused_pid_gets_no_signal(run: Run) -> None:
    stranger = psutil.Popen(["sleep", "60"])
    job = record.JobRecord(("x",), "/", 1.0, 0, process.identify_machine(), pid=stranger.pid, pid_start="1")
    record.save(run, "train", job)
    with pytest.raises(JobError, match="not running"):
        shutdown.stop(run, ["train"], timeout=1, kill=True)
    assert not shutdown.send(job, signal.SIGKILL)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_a_job_of_another_machine_is_left_alone(run: Run) -> None:
    from odtool import locks

    record.save(run, "train", record.JobRecord(("x",), "/", 1.0, 0, "elsewhere", pid=os.getpid(), pid_start="1"))
    lock = locks.acquire(run.job_lock("train"))
    assert lock is not None
    with pytest.raises(JobError, match="another machine"):
        shutdown.stop(run, ["train"], timeout=1, kill=True)
    os.close(lock)


def test_after_stop_the_task_can_be_started_again_at_once(run: Run, start: Callable) -> None:
    for _ in range(5):
        start("import time; time.sleep(3000)")
        (ended,) = shutdown.stop(run, ["train"], timeout=3000).values()
        assert ended.state == "stopped"
        assert not locks.is_held(run.job_lock("train"))


def test_a_start_waits_for_the_lock_of_one_that_has_just_ended(
    run: Run, start: Callable, supervisor_of: Callable, until: Callable
) -> None:
    job = start("import time; time.sleep(3000)")
    supervisor = supervisor_of(job)
    supervisor.suspend()  # as on a busy machine
    os.kill(job.pid, signal.SIGKILL)
    until(lambda: not state.is_alive(job))
    threading.Timer(0.3, supervisor.resume).start()
    assert start("import time; time.sleep(3000)").pid != job.pid
