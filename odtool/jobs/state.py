"""What became of a job, read from its record, its lock, its process and its outcome."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from odtool import locks
from odtool.jobs import log, process, record
from odtool.workspace import Run

StateName = Literal["none", "running", "finished", "failed", "stopped", "lost"]

_POLL = 0.02
_GRACE = 1.0
"""Seconds a supervisor is given to record the end of a process that is already dead."""

_STOPPING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
_OFTEN = {
    signal.SIGKILL: " (often: out of memory)",
    signal.SIGSEGV: " (a crash in native code)",
    signal.SIGABRT: " (native code aborted)",
    signal.SIGBUS: " (often: the disk or /dev/shm is full)",
    signal.SIGILL: " (this processor lacks an instruction the library needs)",
}


@dataclass(frozen=True)
class JobState:
    """What is shown of a task of a run."""

    state: StateName
    pid: int | None = None
    started: float | None = None
    """Unix time, as is `ended`."""
    ended: float | None = None
    exit_code: int | None = None
    """Minus the signal's number where a signal ended the process; None where nobody was left to see it."""
    reason: str = ""
    """Why it is not running any more; empty where it finished."""

    @property
    def is_failure(self) -> bool:
        """Whether it ended by no wish of anybody."""
        return self.state in ("failed", "lost")

    def as_json(self) -> dict[str, Any]:
        """As every --json gives it."""
        return {key: value for key, value in asdict(self).items() if key != "ended"}

    def describe(self) -> str:
        """In one line: 'failed, exit code 1: ...'."""
        if self.state == "none":
            return "not started"
        if self.state == "running":
            return f"running, pid {self.pid}" if self.pid else "running, just starting"
        if self.reason.startswith(self.state):
            return self.reason
        what = f"{self.state}, exit code {self.exit_code}" if self.exit_code else self.state
        return f"{what}: {self.reason}" if self.reason else what


def read(run: Run, task: str, *, sleep: Callable[[float], None] = time.sleep) -> JobState:
    """The task's state now. Never 'running' for a dead process, never anything else for a live one."""
    looks = int(_GRACE / _POLL)
    while True:
        # The lock is looked at before the record: a supervisor writes the end first and lets go second.
        locked = locks.is_held(run.job_lock(task))
        job = record.load(run, task)
        if job is None:
            return JobState("running" if locked else "none")
        # A live process alone proves nothing: a run's folder may be a copy, record and all, of one that is running.
        if locked and job.ended is None and (is_alive(job) or _may_be_alive(job)):
            return JobState("running", job.pid, job.started)
        looks -= 1
        if job.ended is not None or not locked or looks == 0:
            return _judge_ended(run, task, job)
        sleep(_POLL)


def _may_be_alive(job: record.JobRecord) -> bool:
    """Whether a job whose lock is held may live unseen: not yet recorded, or out of this machine's sight."""
    return job.pid is None or job.machine != process.identify_machine()


def is_alive(job: record.JobRecord) -> bool:
    """Whether the recorded process itself lives, seen from this machine."""
    if job.pid is None or job.pid_start is None or job.machine != process.identify_machine():
        return False
    return process.find_start_time(job.pid) == job.pid_start


def _judge_ended(run: Run, task: str, job: record.JobRecord) -> JobState:
    outcome = record.load_outcome(run, task, job.pid) if job.pid is not None else None
    if outcome is not None:
        # The process's own word counts most: a crash while the interpreter winds down loses nothing.
        state, reason = outcome.state, outcome.reason
        if state == "failed" and not reason:
            reason = _explain_failure(run, task, job)
        return JobState(state, job.pid, job.started, job.ended or outcome.time, job.exit_code, reason)
    if job.ended is None or job.exit_code is None:
        reason = _add_log_line(_explain_silence(run, job), run, task, job)
        return JobState("lost", job.pid, job.started, None, None, reason)
    ended = (job.pid, job.started, job.ended, job.exit_code)
    if job.exit_code == 0:
        return JobState("finished", *ended)
    if -job.exit_code in _STOPPING:
        return JobState("stopped", *ended, f"stopped by {signal.Signals(-job.exit_code).name} before it could save")
    return JobState("failed", *ended, _explain_failure(run, task, job))


def _explain_silence(run: Run, job: record.JobRecord) -> str:
    """Why nobody has written how a job ended."""
    if job.machine != process.identify_machine():
        return "the machine was restarted while it ran, or this is another machine"
    if os.statvfs(run.path).f_flag & os.ST_RDONLY:
        return f"its end could not be written, as the disk of {run.path} is read-only, or it was killed"
    return "killed together with its supervisor"


def _explain_failure(run: Run, task: str, job: record.JobRecord) -> str:
    if job.exit_code is None:
        return _add_log_line("failed", run, task, job)
    if job.exit_code > 0:
        return _add_log_line(f"exit code {job.exit_code}", run, task, job)
    try:
        number = signal.Signals(-job.exit_code)
    except ValueError:  # a real-time signal has no name
        return _add_log_line(f"killed by signal {-job.exit_code}", run, task, job)
    return _add_log_line(f"killed by {number.name}{_OFTEN.get(number, '')}", run, task, job)


def _add_log_line(cause: str, run: Run, task: str, job: record.JobRecord) -> str:
    error = log.find_last_error(run.log(task), job.log_offset)
    return f"{cause}; the last error in the log: {error}" if error else cause
