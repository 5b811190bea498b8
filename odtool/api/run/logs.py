"""The end of a task's log, and what is being added to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from odtool.api.requests import RunName, StrPath, find_run, refuse_below, refuse_unknown, takes
from odtool.errors import JobError
from odtool.jobs import log, state
from odtool.jobs.state import JobState
from odtool.workspace import TASKS, Run

_POLL = 0.1


@dataclass(frozen=True)
class LogRequest:
    """What `odtool logs` is asked for."""

    run: RunName | None = None
    """The newest by default."""
    task: str = "train"
    """"train" or "eval"."""
    _: KW_ONLY
    lines: int = 50
    """Lines from the end of the log."""
    workspace: StrPath = "."

    def __post_init__(self) -> None:
        refuse_below("lines", self.lines, 0)
        refuse_unknown("task", (self.task,), TASKS)


@dataclass(frozen=True)
class Log:
    """A task's log, from its last lines on."""

    run: Run
    task: str
    path: Path
    offset: int
    """Bytes before the lines asked for."""

    def read(self) -> bytes:
        """What is there now, as it is: a log may be in any encoding."""
        return b"".join(log.follow(self.path, self.offset, ended=lambda: True))

    def follow(self) -> Iterator[bytes]:
        """The same, and what is added until the task has ended."""
        for block in log.follow(self.path, self.offset, ended=lambda: self.state().state != "running"):
            if block:
                yield block
            else:
                time.sleep(_POLL)

    def state(self) -> JobState:
        """Of the task that writes it."""
        return state.read(self.run, self.task)


@takes(LogRequest)
def open_log(request: LogRequest) -> Log:
    """The log of a run's training, or of its evaluation.

    Raises:
        OdtoolError: there is no such run, or no log yet.
    """
    run = find_run(request.workspace, request.run).run
    path = run.log(request.task)
    if not path.is_file():
        raise JobError(f"{path}: no log yet", f"Start with: odtool {request.task} {run.argument}")
    return Log(run, request.task, path, log.find_tail_offset(path, request.lines))
