"""Starting a job: the lock, the record and the supervisor, without a moment in which none of them holds."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from odtool import files, locks
from odtool.errors import JobError
from odtool.jobs import log, process, record, state, supervisor
from odtool.jobs.notify import end_of_job
from odtool.workspace import Run

_GRACE, _POLL = 10.0, 0.05
"""Seconds: for the supervisor of an ended process to let go of the lock, and between looks."""
_PACKAGE_PARENT = Path(__file__).parents[2]


def start(
    run: Run,
    task: str,
    argv: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str],
    nice: int = 0,
    recover: Sequence[str] = (),
    retries: int = 0,
    notify: str | None = None,
) -> record.JobRecord:
    """Starts `argv` in the background, detached from this process and its terminal.

    The command's stdout and stderr are appended to the task's log. Returns once the command runs.

    Args:
        environment: set on top of this process's environment.
        nice: added to the scheduling priority; 19 is the humblest.
        recover: see JobRecord.recover.
        retries: see JobRecord.retries.
        notify: a URL or a command that is told of its end, see notify.delivery.

    Raises:
        JobError: the task of this run is already running, or its process could not be started.
        OSError: the disk is full, or may not be written to.
    """
    lock = _acquire(run, task)
    if lock is None:
        raise _refuse_running(run, task)
    try:
        job = record.JobRecord(
            argv=tuple(argv),
            directory=str(directory),
            started=time.time(),
            log_offset=run.log(task).stat().st_size if run.log(task).exists() else 0,
            machine=process.identify_machine(),
            environment=dict(environment),
            nice=nice,
            recover=tuple(recover),
            retries=retries,
        )
        return _start_locked(run, task, job, lock, notify)
    finally:
        os.close(lock)


def _acquire(run: Run, task: str) -> int | None:
    """The task's lock; None where it runs. One that has ended holds it for moments, until that is written down."""
    end = time.monotonic() + _GRACE
    while (lock := locks.acquire(run.job_lock(task))) is None and time.monotonic() < end:
        job = record.load(run, task)
        if job is None or job.pid is None or job.machine != process.identify_machine() or state.is_alive(job):
            return None
        time.sleep(_POLL)
    return lock


def _start_locked(run: Run, task: str, job: record.JobRecord, lock: int, notify: str | None) -> record.JobRecord:
    run.outcome(task).unlink(missing_ok=True)
    files.keep_reserve(run.reserve(task))
    with log.open_to_append(run.log(task)) as output:
        record.save(run, task, job)
        reply = _launch_supervisor(run, task, lock, output.fileno(), notify)
    # Not read from the record, which may be of the command's end by now, or of its next start.
    pid, _, pid_start = reply.partition(" ")
    if not pid:
        raise JobError(
            f"{run.name}: {task} could not be started: "
            f"{log.find_last_error(run.log(task), job.log_offset) or 'its log does not say why'}",
            f"See the full log: {run.log(task)}",
        )
    return replace(job, pid=int(pid), pid_start=pid_start or None)


def _launch_supervisor(run: Run, task: str, lock: int, output: int, notify: str | None) -> str:
    """Runs the supervisor and waits until the command has taken the place of its forked child, or could not.

    Returns:
        The command's pid and start; an empty string where it could not be run.
    """
    ready, ready_for_child = os.pipe()
    try:
        subprocess.run(
            [sys.executable, "-m", "odtool.jobs.supervisor", str(run.path.resolve()), task, str(ready_for_child)],
            env={**os.environ, **({end_of_job.VARIABLE: notify} if notify else {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # python -m looks in the working directory first: a json.py in the user's folder must not be met there.
            cwd=_PACKAGE_PARENT,
            start_new_session=True,
            pass_fds=(lock, ready_for_child),
            check=False,  # the record shows whether it worked
        )
    finally:
        os.close(ready_for_child)
        with os.fdopen(ready, "rb") as end:
            reply = end.read()
    return "" if reply.endswith(supervisor.FAILED) else reply.decode().strip()


def _refuse_running(run: Run, task: str) -> JobError:
    job = record.load(run, task)
    pid = f" (pid {job.pid})" if job and job.pid and job.ended is None else ""
    return JobError(
        f"{task} of run '{run.name}' is already running{pid}",
        f"Watch it with: odtool status {run.argument}; stop it with: odtool stop {run.argument} {task}",
    )
