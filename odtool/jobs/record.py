"""The record of a job on disk: what was started, as which process, how it ended, and its own outcome."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from odtool import files
from odtool.workspace import Run

OutcomeState = Literal["finished", "stopped", "failed"]
_OUTCOME_STATES = ("finished", "stopped", "failed")


@dataclass(frozen=True)
class JobRecord:
    """jobs/<task>.json. The launcher writes it, the process adds its pid, the supervisor how it ended."""

    argv: tuple[str, ...]
    directory: str
    """Working directory of the process."""
    started: float
    """Unix time of the request to start."""
    log_offset: int
    """Bytes in the log before this start."""
    machine: str
    """Where the pid means something: process.machine()."""
    environment: dict[str, str] = field(default_factory=dict)
    """What is set for the process on top of the launcher's own environment."""
    nice: int = 0
    recover: tuple[str, ...] = ()
    """Command that reduces the task after it ran out of memory, run with the evidence of that as its last argument;
    when it exits with 0 the task is started again. Empty where that is not wanted."""
    recoveries: int = 0
    """Times that was done."""
    retries: int = 0
    """How often the task is started again where its process asks for that in its outcome."""
    retried: int = 0
    """Times that was done."""
    pid: int | None = None
    """None until the process has written it, just before it becomes the command."""
    pid_start: str | None = None
    """process.start_of(pid), against pids that are used again."""
    ended: float | None = None
    """Unix time; None while the process lives, and for ever where its supervisor was killed."""
    exit_code: int | None = None
    """As subprocess has it: minus the signal's number where a signal ended the process."""


@dataclass(frozen=True)
class Outcome:
    """jobs/<task>.outcome.json: what a process says of its own end."""

    state: OutcomeState
    reason: str
    time: float
    pid: int
    out_of_memory: bool = False
    """It failed because it was refused memory."""
    retry: bool = False
    """It failed by no fault of its own, and asks to be started again."""


def load(run: Run, task: str) -> JobRecord | None:
    """The record of the task's last start; None where there is none that can be read."""
    payload = _read_object(run.job_record(task))
    if payload is None:
        return None
    try:
        job = JobRecord(**{**payload, "argv": tuple(payload["argv"]), "recover": tuple(payload.get("recover") or ())})
    except (KeyError, TypeError):
        # Of another version of odtool: nothing in it can be relied on.
        return None
    hints = get_type_hints(JobRecord)
    return job if all(_has_type(getattr(job, name), hint) for name, hint in hints.items()) else None


def _has_type(value: object, hint: Any) -> bool:
    """Whether what was read from JSON, where 5.0 may be a 5, is of a field's type."""
    kind, parts = get_origin(hint) or hint, get_args(hint)
    if kind is UnionType:
        return any(_has_type(value, part) for part in parts)
    if kind is float:
        return isinstance(value, (int, float)) and math.isfinite(value)
    if kind is dict and isinstance(value, dict):
        return all(isinstance(part, str) for part in value.values())
    if kind is tuple and isinstance(value, tuple):
        return all(isinstance(part, str) for part in value)
    return isinstance(value, kind)


def save(run: Run, task: str, record: JobRecord) -> None:
    """Writes the record, whole or not at all."""
    files.write_atomically(run.job_record(task), json.dumps(asdict(record), indent=1) + "\n")


def load_outcome(run: Run, task: str, pid: int) -> Outcome | None:
    """What process `pid` said of its end; None where it said nothing, or an earlier process spoke."""
    payload = _read_object(run.outcome(task))
    if payload is None or payload.get("pid") != pid or payload.get("state") not in _OUTCOME_STATES:
        return None
    time = payload.get("time")
    return Outcome(
        state=payload["state"],
        reason=str(payload.get("reason") or ""),
        time=float(time) if isinstance(time, (int, float)) else 0.0,
        pid=pid,
        out_of_memory=payload.get("out_of_memory") is True,
        retry=payload.get("retry") is True,
    )


def save_outcome(run: Run, task: str, outcome: Outcome) -> None:
    """Writes the outcome, whole or not at all."""
    files.write_atomically(run.outcome(task), json.dumps(asdict(outcome)) + "\n")


def _read_object(path: Path) -> dict[str, Any] | None:
    try:
        payload = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return payload if isinstance(payload, dict) else None
