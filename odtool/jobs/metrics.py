"""Reading metrics.jsonl, to which a run's processes append one object a line: kind, step, time, values.

The last line may be half written, by a process that is writing or was killed: a line counts once it is whole.
After a resume the steps begin again further back, so the line written last is the one that holds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, BinaryIO

_BLOCK = 1 << 16


@dataclass(frozen=True)
class Metric:
    """One line."""

    kind: str
    """start, train, checkpoint, not_finite, recover, eval, best, skip or end."""
    step: int
    time: float
    """Unix time."""
    values: dict[str, Any]
    """Numbers by name; one that is not finite (NaN, an infinity) is None."""


@dataclass(frozen=True)
class Progress:
    """How far the training of a run has come."""

    step: int | None = None
    num_steps: int | None = None
    batch_size: int | None = None
    loss: float | None = None
    learning_rate: float | None = None
    steps_per_second: float | None = None
    restarts: int = 0
    """Starts that resumed from a checkpoint, or that followed a lack of memory."""

    @property
    def eta_seconds(self) -> float | None:
        """Seconds of work left at the latest speed."""
        if self.step is None or self.num_steps is None or not self.steps_per_second:
            return None
        return max(0, self.num_steps - self.step) / self.steps_per_second


def parse(line: bytes) -> Metric | None:
    """A line as a Metric; None where it is none."""
    try:
        payload = json.loads(line, parse_constant=lambda _: None, parse_float=_finite)
        return Metric(str(payload["kind"]), int(payload["step"]), float(payload["time"]), dict(payload["values"]))
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def _finite(text: str) -> float | None:
    """1e999 is a number to JSON and infinite to Python."""
    number = float(text)
    return number if math.isfinite(number) else None


def read(path: Path) -> Iterator[Metric]:
    """All lines, oldest first; nothing where there is no file yet."""
    try:
        with path.open("rb") as stream:
            yield from (metric for line in stream if line.endswith(b"\n") and (metric := parse(line)))
    except FileNotFoundError:
        return


def read_backwards(path: Path) -> Iterator[Metric]:
    """All lines, newest first: who needs only the newest reads only the end of a long file."""
    try:
        with path.open("rb") as stream:
            yield from (metric for line in _lines_backwards(stream) if (metric := parse(line)))
    except FileNotFoundError:
        return


def newest(path: Path, kind: str) -> Metric | None:
    """The line of this kind that was written last, without those of steps that a later start went back behind."""
    limit = math.inf
    for metric in read_backwards(path):
        if metric.kind == kind and metric.step <= limit:
            return metric
        if metric.kind == "start":
            limit = min(limit, metric.step)
    return None


def progress(path: Path, *, since: float = 0.0) -> Progress:
    """Where training stands, from the newest lines. Loss and speed are those of the present start only.

    Args:
        since: Unix time of a job's start: what was written before is of an earlier one, whose step says nothing of
            where this one resumes.
    """
    step: int | None = None
    train: dict[str, Any] = {}
    start: dict[str, Any] = {}
    for metric in takewhile(lambda metric: metric.time >= since, read_backwards(path)):
        if metric.kind in ("start", "train", "checkpoint") and step is None:
            step = metric.step
        if metric.kind == "train" and not train:
            train = metric.values
        if metric.kind == "start":
            start = metric.values
            break
    return Progress(
        step=step,
        num_steps=_whole(start.get("num_steps")),
        batch_size=_whole(start.get("batch_size")),
        loss=_number(train.get("loss")),
        learning_rate=_number(train.get("learning_rate")),
        steps_per_second=_number(train.get("steps_per_second")),
        restarts=_restarts(path),
    )


def _number(value: object) -> float | None:
    return value if isinstance(value, (int, float)) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def of_kind(path: Path, *kinds: str) -> list[Metric]:
    """All lines of some rare kinds, oldest first."""
    marks = [f'"{kind}"'.encode() for kind in kinds]
    try:
        with path.open("rb") as stream:
            # Most lines are not parsed for this: a substring is ten times as fast to find.
            lines = (line for line in stream if line.endswith(b"\n") and any(mark in line for mark in marks))
            return [metric for line in lines if (metric := parse(line)) and metric.kind in kinds]
    except FileNotFoundError:
        return []


def _restarts(path: Path) -> int:
    found = of_kind(path, "start", "recover")
    again = [before.kind == "recover" for before in found]
    return sum(
        metric.kind == "start" and (metric.step > 0 or recovered)
        for metric, recovered in zip(found, [False, *again], strict=False)
    )


def _lines_backwards(stream: BinaryIO) -> Iterator[bytes]:
    """Whole lines, last first, without what follows the last newline."""
    end = stream.seek(0, 2)
    rest = b""
    whole = False
    while end > 0:
        begin = max(0, end - _BLOCK)
        stream.seek(begin)
        lines = (stream.read(end - begin) + rest).split(b"\n")
        rest = lines[0]
        for line in reversed(lines[1:]):
            if whole:
                yield line
            whole = True
        end = begin
    if whole:
        yield rest
