"""`python -m odtool.jobs.supervisor`: the small process that starts a job, waits for it and records how it ended.

It has no part in the job's output, which goes straight to the log, so a job outlives the death of its supervisor.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

from odtool.jobs import process, record
from odtool.workspace import Run


def supervise(run: Run, task: str, ready: int) -> None:
    """Starts the command in the task's record, waits for its end and writes that into the record.

    Args:
        ready: descriptor that is closed everywhere once the command runs, which tells the launcher so;
            what is written to it says that the command could not be run.
    """
    # The terminal that started us may close. Ignoring is inherited, so this holds for the command as well.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.set_inheritable(ready, False)
    pid = os.fork()
    if pid == 0:
        _become_command(run, task, ready)
    os.close(ready)
    _pass_signals_to(pid)
    _, status = os.waitpid(pid, 0)
    _record_end(run, task, pid, os.waitstatus_to_exitcode(status))


def _become_command(run: Run, task: str, ready: int) -> NoReturn:
    """In the forked child: writes the pid into the record first, so that no process ever runs unrecorded."""
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        job = _record_of(run, task)
        os.nice(job.nice)
        os.chdir(job.directory)
        record.save(run, task, replace(job, pid=os.getpid(), pid_start=process.start_of(os.getpid())))
        os.execvpe(job.argv[0], job.argv, {**os.environ, **job.environment})
    except BaseException:  # a forked child must never return into the supervisor's code
        traceback.print_exc()
        sys.stderr.flush()
        os.write(ready, b"failed")
        os._exit(127)


def _pass_signals_to(pid: int) -> None:
    def pass_on(number: int, _frame: FrameType | None) -> None:
        os.kill(pid, number)  # safe from reuse: the pid stays taken until the waitpid above has returned

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, pass_on)


def _record_end(run: Run, task: str, pid: int, exit_code: int) -> None:
    # The command may have died before it wrote its pid.
    ended = replace(_record_of(run, task), pid=pid, ended=time.time(), exit_code=exit_code)
    record.save(run, task, ended)


def _record_of(run: Run, task: str) -> record.JobRecord:
    job = record.load(run, task)
    if job is None:
        raise FileNotFoundError(run.job_record(task))
    return job


def main(folder: str, task: str, ready: str) -> None:
    """Detaches from the launcher, which only waits for the first of the two processes, and supervises."""
    if os.fork() == 0:
        supervise(Run(Path(folder)), task, int(ready))


if __name__ == "__main__":
    main(*sys.argv[1:])
