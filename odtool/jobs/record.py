"""The record of a job on disk: what was started, as which process, how it ended, and its own outcome."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Annotated, Literal

from odtool import files, state_files
from odtool.state_files import Count, Range, StateError, Time
from odtool.workspace import Run

OutcomeState = Literal["finished", "stopped", "failed"]
Pid = Annotated[int, Range(1, 2**31 - 1)]
"""0 and negative numbers mean groups of processes to kill(2), which a record must never name."""
_LARGEST = 1 << 24
"""Bytes; a command line of Linux has at most two million."""


@dataclass(frozen=True)
class JobRecord:
    """jobs/<task>.json. The launcher writes it, the process adds its pid, the supervisor how it ended."""

    argv: tuple[str, ...]
    directory: str
    """Working directory of the process."""
    started: Time
    """Unix time of the request to start."""
    log_offset: Count
    """Bytes in the log before this start."""
    machine: str
    """Where the pid means something: process.machine()."""
    environment: dict[str, str] = field(default_factory=dict)
    """What is set for the process on top of the launcher's own environment."""
    nice: Annotated[int, Range(-40, 40)] = 0
    recover: tuple[str, ...] = ()
    """Command that reduces the task after it ran out of memory, run with the evidence of that as its last argument;
    when it exits with 0 the task is started again. Empty where that is not wanted."""
    recoveries: Count = 0
    """Times that was done."""
    retries: Count = 0
    """How often the task is started again where its process asks for that in its outcome."""
    retried: Count = 0
    """Times that was done."""
    pid: Pid | None = None
    """None until the process has written it, just before it becomes the command."""
    pid_start: str | None = None
    """process.start_of(pid), against pids that are used again."""
    ended: Time | None = None
    """Unix time; None while the process lives, and for ever where its supervisor was killed."""
    exit_code: Annotated[int, Range(-255, 255)] | None = None
    """As subprocess has it: minus the signal's number where a signal ended the process."""


@dataclass(frozen=True)
class Outcome:
    """jobs/<task>.outcome.json: what a process says of its own end."""

    state: OutcomeState
    reason: str
    time: Time
    pid: Pid
    out_of_memory: bool = False
    """It failed because it was refused memory."""
    retry: bool = False
    """It failed by no fault of its own, and asks to be started again."""


def load(run: Run, task: str) -> JobRecord | None:
    """The record of the task's last start; None where there is none that can be read.

    One of another version of odtool is such a one: nothing in it can be relied on.
    """
    try:
        return state_files.read(run.job_record(task), JobRecord, largest=_LARGEST)
    except (FileNotFoundError, StateError):
        return None


def save(run: Run, task: str, record: JobRecord) -> None:
    """Writes the record, whole or not at all; on a full disk from the space that was kept for it."""
    content = json.dumps(asdict(record), indent=1) + "\n"
    files.write_from_reserve(run.job_record(task), content, run.reserve(task))


def load_outcome(run: Run, task: str, pid: int) -> Outcome | None:
    """What process `pid` said of its end; None where it said nothing, or an earlier process spoke."""
    try:
        outcome = state_files.read(run.outcome(task), Outcome, largest=_LARGEST)
    except (FileNotFoundError, StateError):
        return None
    return outcome if outcome.pid == pid else None


def save_outcome(run: Run, task: str, outcome: Outcome) -> None:
    """Writes the outcome, whole or not at all."""
    files.write_from_reserve(run.outcome(task), json.dumps(asdict(outcome)) + "\n", run.reserve(task))
