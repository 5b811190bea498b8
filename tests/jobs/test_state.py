"""The state of a job after every kind of end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace

import psutil
import pytest

from odtool import locks
from odtool.jobs import process, record, state
from odtool.workspace import Run

WAIT = "import time; time.sleep(3000)"
OUTCOME = (
    "import json, os, pathlib, sys, time\n"
    "def outcome(state, reason):\n"
    "    said = dict(state=state, reason=reason, time=time.time(), pid=os.getpid())\n"
    "    pathlib.Path('jobs/train.outcome.json').write_text(json.dumps(said))\n"
)


def ended(run: Run, until: Callable) -> state.JobState:
    until(lambda: state.read(run, "train").state != "running")
    return state.read(run, "train")


def test_a_run_without_jobs_has_none(run: Run) -> None:
    assert state.read(run, "train") == state.JobState("none")


def test_exit_code_zero_is_finished(run: Run, start: Callable, until: Callable) -> None:
    start("")
    found = ended(run, until)
    assert (found.state, found.exit_code, found.reason) == ("finished", 0, "")
    assert found.started is not None
    assert found.ended is not None
    assert found.started <= found.ended <= time.time()


def test_a_failure_shows_the_exit_code_and_the_last_error_of_this_starts_log(
    run: Run, start: Callable, until: Callable
) -> None:
    run.log("train").write_text("OldError: of an earlier start\n")
    start("print('at work'); raise ValueError('bad shape')")
    found = ended(run, until)
    assert (found.state, found.exit_code) == ("failed", 1)
    assert found.reason == "exit code 1; the last error in the log: ValueError: bad shape"


def test_the_process_own_reason_is_preferred_to_the_log(run: Run, start: Callable, until: Callable) -> None:
    start(OUTCOME + "outcome('failed', 'loss is NaN at step 12'); print('OtherError: noise'); sys.exit(1)")
    found = ended(run, until)
    assert (found.state, found.reason, found.exit_code) == ("failed", "loss is NaN at step 12", 1)


def test_a_crash_after_the_work_was_saved_is_no_failure(run: Run, start: Callable, until: Callable) -> None:
    start(OUTCOME + "outcome('finished', ''); os.abort()")
    found = ended(run, until)
    assert (found.state, found.exit_code) == ("finished", -signal.SIGABRT)


def test_an_outcome_of_another_process_is_not_believed(run: Run, start: Callable, until: Callable) -> None:
    start(OUTCOME.replace("os.getpid()", "1") + "outcome('finished', ''); sys.exit(3)")
    assert ended(run, until).state == "failed"


def test_kill_9_of_the_command_is_a_failure_that_names_the_signal(run: Run, start: Callable, until: Callable) -> None:
    job = start(WAIT)
    os.kill(job.pid, signal.SIGKILL)
    until(lambda: process.find_start_time(job.pid) is None)
    assert state.read(run, "train").state == "failed"
    found = ended(run, until)
    assert found.exit_code == -signal.SIGKILL
    assert found.reason == "killed by SIGKILL (often: out of memory)"


def test_kill_9_of_the_supervisor_leaves_the_job_running(
    run: Run, start: Callable, supervisor_of: Callable, until: Callable
) -> None:
    job = start(
        OUTCOME + "import pathlib\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)\noutcome('finished', '')"
    )
    supervisor_of(job).kill()
    time.sleep(0.1)
    assert state.read(run, "train") == state.JobState("running", job.pid, job.started)
    (run.path / "go").touch()
    found = ended(run, until)
    assert (found.state, found.pid, found.exit_code) == ("finished", job.pid, None)


@pytest.mark.parametrize("said", ["stopped", "failed"])
def test_without_a_supervisor_the_outcome_tells_the_end(
    run: Run, start: Callable, supervisor_of: Callable, until: Callable, said: str
) -> None:
    code = f"while not pathlib.Path('go').exists(): time.sleep(0.01)\noutcome({said!r}, 'because')"
    supervisor_of(start(OUTCOME + code)).kill()
    (run.path / "go").touch()
    found = ended(run, until)
    assert (found.state, found.reason) == (said, "because")


def test_kill_9_of_both_is_lost_with_the_last_log_line(
    run: Run, start: Callable, supervisor_of: Callable, until: Callable
) -> None:
    job = start("print('step 41 loss 0.3', flush=True)\n" + WAIT)
    until(lambda: run.log("train").read_text())
    supervisor_of(job).kill()
    os.kill(job.pid, signal.SIGKILL)
    found = ended(run, until)
    assert (found.state, found.exit_code) == ("lost", None)
    assert found.reason == "killed together with its supervisor; the last error in the log: step 41 loss 0.3"


def test_killing_at_odd_moments_never_shows_a_dead_job_as_running(
    run: Run, start: Callable, until: Callable, supervisor_of: Callable
) -> None:
    for delay in (0, 0.005, 0.02, 0.05):
        job = start(WAIT)
        supervisor = supervisor_of(job)
        time.sleep(delay)
        supervisor.kill()
        os.kill(job.pid, signal.SIGKILL)
        until(lambda pid=job.pid: process.find_start_time(pid) is None)
        assert state.read(run, "train").state in ("lost", "failed")
        until(lambda: not locks.is_held(run.job_lock("train")))


def test_a_stopped_supervisor_cannot_make_a_dead_job_look_alive(
    run: Run, start: Callable, supervisor_of: Callable, until: Callable
) -> None:
    job = start(WAIT)
    supervisor = supervisor_of(job)
    supervisor.suspend()
    os.kill(job.pid, signal.SIGKILL)
    until(lambda: psutil.Process(job.pid).status() == psutil.STATUS_ZOMBIE)
    assert state.read(run, "train").state == "lost"
    supervisor.resume()
    until(lambda: state.read(run, "train").state == "failed")


def test_a_pid_that_was_used_again_is_not_the_job(run: Run) -> None:
    pid = os.getpid()
    lock = locks.acquire(run.job_lock("train"))
    assert lock is not None
    save(run, pid=pid, pid_start="1")
    assert state.read(run, "train").state == "lost"
    save(run, pid=pid, pid_start=process.find_start_time(pid))
    assert state.read(run, "train").state == "running"
    os.close(lock)


def test_a_copy_of_a_running_run_is_not_running(run: Run, start: Callable) -> None:
    start(WAIT)
    copy = Run(run.path.parent / "copy")
    shutil.copytree(run.path, copy.path)
    assert state.read(copy, "train").state == "lost"
    assert state.read(run, "train").state == "running"


def test_a_record_from_before_a_reboot_is_lost(run: Run) -> None:
    pid = os.getpid()
    save(run, pid=pid, pid_start=process.find_start_time(pid), machine="another boot")
    found = state.read(run, "train")
    assert found.state == "lost"
    assert found.reason == "the machine was restarted while it ran, or this is another machine"


def test_a_job_out_of_sight_whose_lock_is_held_is_running(run: Run) -> None:
    save(run, pid=4, pid_start="5", machine="another container")
    lock = locks.acquire(run.job_lock("train"))
    assert lock is not None
    assert state.read(run, "train").state == "running"
    os.close(lock)
    assert state.read(run, "train").state == "lost"


def test_a_job_that_is_being_started_is_running_without_a_pid(run: Run) -> None:
    lock = locks.acquire(run.job_lock("train"))
    assert lock is not None
    assert state.read(run, "train") == state.JobState("running")
    save(run)
    assert state.read(run, "train").state == "running"
    os.close(lock)
    assert state.read(run, "train").state == "lost"


def test_an_end_recorded_while_we_wait_is_seen(run: Run) -> None:
    save(run, pid=os.getpid(), pid_start="1")
    lock = locks.acquire(run.job_lock("train"))
    assert lock is not None

    def record_end(_seconds: float) -> None:
        save(run, pid=os.getpid(), pid_start="1", ended=2.0, exit_code=0)

    assert state.read(run, "train", sleep=record_end).state == "finished"
    os.close(lock)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"argv": 1}', '{"argv": [], "unknown": 1}'])
def test_an_unreadable_record_is_no_job(run: Run, content: str) -> None:
    run.jobs.mkdir()
    run.job_record("train").write_text(content)
    assert state.read(run, "train").state == "none"


def save(run: Run, **changes: object) -> None:
    job = record.JobRecord(("x",), "/", 1.0, 0, process.identify_machine())
    record.save(run, "train", replace(job, **changes))  # type: ignore[arg-type]  # fields by name
    assert json.loads(run.job_record("train").read_text())["argv"] == ["x"]
