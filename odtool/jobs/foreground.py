"""Standing by a job in the terminal: its log as it is written, and the terminal's signals passed on to it.

The job itself is the same as one in the background: it continues even if this process is killed.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from odtool.jobs import attached, log, record, shutdown, state
from odtool.workspace import Run

_POLL = 0.1
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Write = Callable[[bytes], None]
Say = Callable[[str], None]


@contextmanager
def catching_signals() -> Iterator[list[int]]:
    """Collects SIGINT, SIGTERM and SIGHUP in the yielded list, for `attend` to pass on, instead of ending here.

    Nothing is taken out of the list: it tells afterwards what has come. What is started meanwhile stays below this
    process, where a scheduler that knows a job's processes by their parents sees and ends it.
    """
    received: list[int] = []

    def collect(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    before = {number: signal.signal(number, collect) for number in _SIGNALS}
    try:
        with attached.adopting_orphans():
            yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def attend(
    run: Run,
    tasks: Sequence[str],
    received: list[int],
    *,
    write: Write,
    say: Say,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, state.JobState]:
    """Writes the tasks' logs as they grow until all have ended, and passes on the signals in `received`.

    The first Ctrl-C (or SIGTERM, or the terminal closing) asks the processes to save and end. A second only says so
    again, as it could otherwise break the save it is impatient about. A third kills them.

    Raises:
        OSError: the output cannot be written any more; the processes have been asked to end.
    """
    jobs = {task: job for task in tasks if (job := record.load(run, task)) is not None}
    readers = {task: _read_lines(run, task, job, labelled=len(jobs) > 1) for task, job in jobs.items()}
    passed = interrupts = 0
    try:
        while readers:
            for number in received[passed:]:
                passed += 1
                interrupts += number == signal.SIGINT
                _pass_on(run, jobs, number, interrupts, say)
            if passed:
                jobs = {task: shutdown.stop_again(run, task, job) for task, job in jobs.items()}
            blocks = {task: next(reader, None) for task, reader in readers.items()}
            for task, block in blocks.items():
                if block is None:
                    del readers[task]
                elif block:
                    write(block)
            if not any(blocks.values()):
                sleep(_POLL)
    except OSError:
        _send(_reload_jobs(run, jobs), signal.SIGTERM)
        raise
    return {task: state.read(run, task) for task in jobs}


def _read_lines(run: Run, task: str, job: record.JobRecord, *, labelled: bool) -> Iterator[bytes]:
    """One block of output at each turn, b'' where nothing was added; ends with the job.

    Two logs in one terminal are distinguished by a label, and take turns only at whole lines.
    """
    label = f"{task:5} | ".encode()
    rest = b""
    added = log.follow(run.log(task), job.log_offset, ended=lambda: state.read(run, task).state != "running")
    for block in added:
        if not labelled:
            yield block
            continue
        *lines, rest = (rest + block).split(b"\n")
        yield b"".join(label + line + b"\n" for line in lines)
    if rest:
        yield label + rest + b"\n"


def _pass_on(run: Run, jobs: dict[str, record.JobRecord], number: int, interrupts: int, say: Say) -> None:
    if number != signal.SIGINT or interrupts == 1:
        say("asked to save and stop; press Ctrl-C twice more to kill it")
        # SIGHUP is ignored by jobs, which outlive terminals; in the foreground the terminal's end is theirs.
        _send(_reload_jobs(run, jobs), signal.SIGTERM if number == signal.SIGHUP else number)
    elif interrupts == 2:
        say("still saving; press Ctrl-C once more to kill it and lose what came after the last checkpoint")
    else:
        say("killing")
        for task, job in _reload_jobs(run, jobs).items():
            shutdown.kill_now(run, task, job, "killed by Ctrl-C; progress since the last checkpoint is lost")


def _reload_jobs(run: Run, jobs: dict[str, record.JobRecord]) -> dict[str, record.JobRecord]:
    """The jobs as they are now: one that was started again has another process."""
    return {task: record.load(run, task) or job for task, job in jobs.items()}


def _send(jobs: dict[str, record.JobRecord], number: int) -> None:
    for job in jobs.values():
        shutdown.send(job, number)
