"""`python -m odtool.jobs.supervisor`: the small process that starts a job, waits for it and records how it ended.

It has no part in the job's output, which goes straight to the log, so a job outlives the death of its supervisor.
A job that ran out of memory is started again, once the command that its record names for this has reduced it; one
that failed by no fault of its own, and says so, as it is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

from odtool import locks, printable
from odtool.jobs import log, out_of_memory, process, record, state
from odtool.jobs.notify import end_of_job
from odtool.workspace import Run

MOST_RECOVERIES = 3
FAILED = b"failed"
_PASSED_ON = (signal.SIGTERM, signal.SIGINT)
_LOOK_EVERY = 0.1
"""Seconds between looks at the memory of a process that is limited in it."""
_LAST_WORDS = 1 << 16
"""Bytes of the log that are searched for the cause of an end."""


def supervise(run: Run, task: str, ready: int, target: str | None = None) -> None:
    """Starts the command in the task's record, waits for its end and writes that into the record.

    Args:
        ready: descriptor that is closed everywhere once the command runs, which tells the launcher so; a line with
            the command's pid and start is written to it, and FAILED where the command could not be run.
        target: a URL or command that is told of the end.
    """
    # The terminal that started us may close. Ignoring is inherited, so this holds for the command as well.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.set_inheritable(ready, False)
    child = _Child()
    child.take_signals()
    starting: int | None = ready
    while True:
        offset, kills = run.log(task).stat().st_size, out_of_memory.count_kernel_kills()
        # A signal waits until the command is known here and there takes signals as its own.
        signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
        pid = os.fork()
        if pid == 0:
            _become_command(run, task, starting)
        child.adopt(pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        if starting is not None:
            os.close(starting)
            starting = None
        memory = out_of_memory.MemoryWatch(pid)
        exit_code = child.wait(memory)
        if record.load(run, task) is None:
            sys.stderr.write(f"{run.job_record(task)} is gone: how {task} ended is not recorded (code {exit_code})\n")
            return
        again = not child.was_asked_to_end and (
            _retry(run, task, pid) or _recover(run, task, pid, exit_code, offset, kills, memory.find_near_limit())
        )
        if not again or child.was_asked_to_end:  # by now
            # Before the end can be seen: who sees it is to see, too, that somebody is being told.
            lock = locks.acquire(run.notify_lock(task)) if target else None
            _record_end(run, task, pid, exit_code)
            if target:
                with contextlib.suppress(OSError):  # the disk is full, say: the end stands in the record
                    end_of_job.start(run, task, state.read(run, task), target, lock)
            return


class _Child:
    """The running command, to which the supervisor's own signals are passed on."""

    def __init__(self) -> None:
        self.pid: int | None = None
        self.was_asked_to_end = False

    def take_signals(self) -> None:
        for number in _PASSED_ON:
            signal.signal(number, self._pass_on)

    def adopt(self, pid: int) -> None:
        """Takes the process just started, which a signal of before is passed on to."""
        self.pid = pid
        if self.was_asked_to_end:
            os.kill(pid, signal.SIGTERM)

    def wait(self, memory: out_of_memory.MemoryWatch) -> int:
        assert self.pid is not None
        pid = self.pid
        watch = os.WNOHANG if memory.is_limited else 0
        while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | watch) is None:
            memory.look()
            time.sleep(_LOOK_EVERY)
        self.pid = None  # while the pid is still taken, so that no signal meets another process under it
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        self.was_asked_to_end = True
        if self.pid is not None:
            os.kill(self.pid, number)


def _become_command(run: Run, task: str, ready: int | None) -> NoReturn:
    """In the forked child: writes the pid into the record first, so that no process ever runs unrecorded."""
    try:
        os.setsid()
        for number in (*_PASSED_ON, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        job = _build_record(run, task)
        os.nice(job.nice)
        os.chdir(job.directory)
        job = replace(job, pid=os.getpid(), pid_start=process.find_start_time(os.getpid()))
        record.save(run, task, job)
        _notify_launcher(ready, f"{job.pid} {job.pid_start or ''}\n".encode())
        os.execvpe(job.argv[0], job.argv, {**os.environ, **job.environment})
    except BaseException:  # a forked child must never return into the supervisor's code
        traceback.print_exc()
        _notify_launcher(ready, FAILED)
        os._exit(127)


def _notify_launcher(ready: int | None, message: bytes) -> None:
    """Answers the launcher, as long as there is one: a terminal may close while a job is starting."""
    if ready is not None:
        with contextlib.suppress(BrokenPipeError):
            os.write(ready, message)


def _retry(run: Run, task: str, pid: int) -> bool:
    """Whether the command is to be started again as it is, because it asks for that."""
    job, outcome = _build_record(run, task), record.load_outcome(run, task, pid)
    if outcome is None or not outcome.retry or job.retried >= job.retries:
        return False
    record.save(run, task, replace(job, pid=None, pid_start=None, retried=job.retried + 1))
    return True


def _recover(run: Run, task: str, pid: int, exit_code: int, offset: int, kills: int, near_limit: str) -> bool:
    """Whether the command is to be started again: it ran out of memory, and has been reduced."""
    job = _build_record(run, task)
    cause = out_of_memory.explain_exit(
        exit_code,
        record.load_outcome(run, task, pid),
        _find_error_line(run, task, offset),
        kernel_killed=out_of_memory.count_kernel_kills() > kills,
        near_limit=near_limit,
    )
    if not cause or not job.recover:
        return False
    if job.recoveries >= MOST_RECOVERIES:
        _give_up(run, task, pid, f"{cause}; the batch was halved {job.recoveries} times already")
        return False
    log_size = run.log(task).stat().st_size
    # Without a pid it counts as being started, which it is.
    record.save(run, task, replace(job, pid=None, pid_start=None, recoveries=job.recoveries + 1))
    if _make_smaller(job, cause):
        return True
    _give_up(run, task, pid, f"{cause}; {log.find_last_error(run.log(task), log_size)}")
    return False


def _make_smaller(job: record.JobRecord, cause: str) -> bool:
    try:
        result = subprocess.run(
            [*job.recover, cause],
            cwd=job.directory,
            env={**os.environ, **job.environment},
            stdin=subprocess.DEVNULL,
            check=False,  # its exit code is its answer
        )
    except OSError:
        traceback.print_exc()
        return False
    return result.returncode == 0


def _find_error_line(run: Run, task: str, offset: int) -> str:
    with run.log(task).open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(offset, size - _LAST_WORDS))
        return stream.read().decode(errors="replace")


def _give_up(run: Run, task: str, pid: int, reason: str) -> None:
    record.save_outcome(run, task, record.Outcome("failed", reason, time.time(), pid))


def _record_end(run: Run, task: str, pid: int, exit_code: int) -> None:
    # The command may have died before it wrote its pid.
    ended = replace(_build_record(run, task), pid=pid, ended=time.time(), exit_code=exit_code)
    record.save(run, task, ended)
    run.reserve(task).unlink(missing_ok=True)


def _build_record(run: Run, task: str) -> record.JobRecord:
    job = record.load(run, task)
    if job is None:
        raise FileNotFoundError(run.job_record(task))
    return job


def main(folder: str, task: str, ready: str) -> None:
    """Detaches from the launcher, which only waits for the first of the two processes, and supervises."""
    if os.fork() == 0:
        printable.keep_writing()
        # Taken out of the environment, which the command inherits.
        supervise(Run(Path(folder)), task, int(ready), os.environ.pop(end_of_job.VARIABLE, None))


if __name__ == "__main__":
    main(*sys.argv[1:])
