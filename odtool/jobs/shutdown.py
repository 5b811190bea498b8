"""Stopping a job: asking its process to save and end, and killing it only where that was asked for."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence

from odtool import locks
from odtool.errors import JobError
from odtool.jobs import process, record, state
from odtool.workspace import Run

_POLL = 0.05
_GRACE = 10.0
"""Seconds for a supervisor to record an end and let go of the lock."""


def stop(
    run: Run,
    tasks: Sequence[str],
    *,
    timeout: float,
    kill: bool = False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, state.JobState]:
    """Sends SIGTERM to the tasks' processes and waits for their ends, at most `timeout` seconds in all.

    With `kill`, what has not ended by then gets SIGKILL; without, it is left alone, to end when it has saved.
    The supervisor is not needed: the signals go to the recorded processes themselves.

    Returns:
        The state of each task that was running, after the wait.

    Raises:
        JobError: none of the tasks is running.
    """
    jobs = {task: job for task in tasks if (job := _find_running(run, task)) is not None}
    if not jobs:
        names = " and ".join(tasks)
        raise JobError(f"{names} of run '{run.name}': not running", f"See its state: odtool status {run.argument}")
    for job in jobs.values():
        send(job, signal.SIGTERM)
    deadline = clock() + timeout
    while clock() < deadline and any(_holds_on(run, task, job) for task, job in jobs.items()):
        sleep(_POLL)
        jobs = {task: stop_again(run, task, job) for task, job in jobs.items()}
    for task, job in jobs.items():
        if kill:
            kill_now(run, task, job, "killed by odtool stop --kill; progress since the last checkpoint is lost")
        _wait_for_supervisor(run, task, job, clock, sleep)
        if state.read(run, task).state == "lost":  # its supervisor was dead, and it could not say itself why it ends
            _record_stop(run, task, job, "stopped by odtool stop before it could save")
    return {task: state.read(run, task) for task in jobs}


def _holds_on(run: Run, task: str, job: record.JobRecord) -> bool:
    """Whether the process lives, or its supervisor is still writing how it ended: the task cannot be started again."""
    return state.is_alive(job) or locks.is_held(run.job_lock(task))


def _wait_for_supervisor(
    run: Run, task: str, job: record.JobRecord, clock: Callable[[], float], sleep: Callable[[float], None]
) -> None:
    """Returns when the task can be started again, which after the process's end takes moments."""
    end = clock() + _GRACE
    while not state.is_alive(job) and locks.is_held(run.job_lock(task)) and clock() < end:
        sleep(_POLL)


def send(job: record.JobRecord, number: int) -> bool:
    """Sends a signal to the job's own process; False where that is not alive."""
    if job.pid is None or not state.is_alive(job):
        return False
    try:
        os.kill(job.pid, number)
    except ProcessLookupError:
        return False
    return True


def stop_again(run: Run, task: str, job: record.JobRecord) -> record.JobRecord:
    """Asks the process to end that has taken the place of one that was asked, and gives its record.

    The one that was asked may have been failing at that very moment, so that its supervisor started it again.
    """
    newer = record.load(run, task)
    if newer is None or newer.pid is None or newer.pid == job.pid or newer.started != job.started:
        return job
    send(newer, signal.SIGTERM)
    return newer


def _find_running(run: Run, task: str) -> record.JobRecord | None:
    if state.read(run, task).state != "running":
        return None
    job = record.load(run, task)
    if job is None or job.pid is None:
        raise JobError(f"{task} of run '{run.name}' is still starting", "Try again in a second.")
    if job.machine != process.identify_machine():
        raise JobError(
            f"{task} of run '{run.name}' runs on another machine or in another container",
            f"Stop it from there (pid {job.pid}).",
        )
    return job


def kill_now(run: Run, task: str, job: record.JobRecord, reason: str) -> None:
    """Kills the process with SIGKILL, if it lives, and says so in its place: it was stopped and did not fail."""
    if not state.is_alive(job):
        return
    # Before it is killed: its supervisor would take it for one that the system killed, and start it again.
    _record_stop(run, task, job, reason)
    send(job, signal.SIGKILL)
    while state.is_alive(job):
        time.sleep(_POLL)


def _record_stop(run: Run, task: str, job: record.JobRecord, reason: str) -> None:
    if job.pid is not None and record.load_outcome(run, task, job.pid) is None:
        record.save_outcome(run, task, record.Outcome("stopped", reason, time.time(), job.pid))
