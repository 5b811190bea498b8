"""How a task ends: what it writes for the supervisor to read, and the signals that ask it to stop."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from dataclasses import asdict, dataclass, replace
from types import FrameType
from typing import Literal

from odtool import files, shortage
from odtool.errors import OdtoolError
from odtool.workspace import Run

State = Literal["finished", "stopped", "failed"]


@dataclass(frozen=True)
class Ending:
    """How and why a task ended."""

    state: State
    reason: str
    out_of_memory: bool = False
    """It was refused memory: with less to do at once it might succeed."""
    retry: bool = False
    """It failed because another process of the same training did: started again as it is, it may continue."""


_ROOT_ERROR = re.compile(r"\s*\(0\)\s+(.+)")
"""The first of several errors, as TensorFlow numbers them."""
_BROKEN_RECORD = re.compile(r"DataLossError: .*(corrupted|truncated) record")


class Stopped(BaseException):
    """Work ended where it stood because a signal asked for it: a request, no error, so nothing catches it by chance."""


class StopSignal:
    """Whether SIGTERM or SIGINT has asked this process to stop.

    Until `defer` is called a signal raises Stopped at once; after it, it only sets `made`, and whoever works looks
    there at the next point where the work is whole. More signals change nothing: one that broke a save would lose what
    it is impatient for.
    """

    def __init__(self) -> None:
        self.requested = False
        self._deferred = False

    def listen(self) -> None:
        """Takes over SIGTERM and SIGINT of this process."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def defer(self) -> None:
        """From now on there is something to save before stopping."""
        self._deferred = True

    def check(self) -> None:
        """To be called where work can be dropped without loss.

        Raises:
            Stopped: a stop was asked for.
        """
        if self.requested:
            raise Stopped("stopped by a signal; the next start repeats what was not finished")

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self.requested = True
        if not self._deferred:
            raise Stopped(f"{signal.Signals(number).name} arrived before there was anything to save")


class FolderWatch:
    """Whether a run's folder is still the one that a task began in."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._identity = run.identity

    def is_gone(self) -> bool:
        return self._identity is not None and self._run.identity != self._identity

    def check(self) -> None:
        """Raises OdtoolError where the folder was moved or deleted: nothing may be written in its place."""
        if self.is_gone():
            raise OdtoolError(
                f"{self._run.path} was moved or deleted while it was in use",
                "What was saved before is where it was moved to; start again there.",
            )


def explain_failure(error: Exception) -> Ending:
    """The ending that an error means."""
    if known := shortage.to_error(error):
        return Ending("failed", known.message)
    lacking = shortage.find(error)
    lines = str(error).strip().splitlines() or ["no message"]
    cause = f"{type(error).__name__}: {(lacking.evidence if lacking else _find_telling_line(lines))[:500]}"
    if _BROKEN_RECORD.search(cause):
        cause = f"a record cannot be read (odtool check names it): {cause}"
    return Ending("failed", f"out of memory: {cause}" if lacking else cause, out_of_memory=lacking is not None)


def add_last_checkpoint(ending: Ending, run: Run) -> Ending:
    """Says from where the next start of a training continues."""
    newest = max(run.checkpoints(), default=None)
    last = f"the last whole checkpoint is ckpt-{newest}" if newest is not None else "no checkpoint was saved"
    return replace(ending, reason=f"{ending.reason}; {last}")


def _find_telling_line(lines: list[str]) -> str:
    """The line that says what was wrong. Of an error in a graph the first is a heading, and Python's stack follows."""
    if not lines[0].startswith("Graph execution error"):
        return lines[0]
    if roots := [match[1] for line in lines if (match := _ROOT_ERROR.match(line))]:
        return roots[0]
    candidates = [
        line for line in lines[1:] if line.strip() and not line.startswith((" ", "\t", "Detected at", "<stack"))
    ]
    return candidates[0] if candidates else lines[0]


def write_ending(run: Run, task: str, ending: Ending) -> None:
    """Writes the task's outcome file in one step, on a full disk from the space that was kept for it."""
    content = {**asdict(ending), "time": time.time(), "pid": os.getpid()}
    files.write_from_reserve(run.outcome(task), json.dumps(content) + "\n", run.reserve(task))
