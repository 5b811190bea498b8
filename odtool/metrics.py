"""metrics.jsonl, to which a run's processes append one object a line: kind, step, time, values.

The last line may be half written, by a process that is writing or was killed: a line counts once it is whole.
After a resume the steps begin again further back, so the line written last is the one that holds.
"""

from __future__ import annotations

import errno
import fcntl
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

_BLOCK = 1 << 16
_SCORED = ("eval", "best")
"""Kinds whose values are scores."""


@dataclass(frozen=True)
class Metric:
    """One line."""

    kind: str
    """start, train, checkpoint, not_finite, recover, eval, best, skip or end."""
    step: int
    time: float
    """Unix time."""
    values: dict[str, Any]
    """Numbers by name; None for one that is not finite (NaN, an infinity), and for a score of a set without objects."""


class MetricsLog:
    """Appends to a metrics.jsonl that another process may be appending to as well."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Appends one line.

        Raises:
            OSError: it could not be written whole, as on a full disk; nothing of it stays.
        """
        self.write_together([(kind, step, values)])

    def write_together(self, lines: Sequence[tuple[str, int, Mapping[str, Any]]]) -> None:
        """Appends lines (kind, step, values) that nobody is to read one without the other.

        Raises:
            OSError: they could not be written whole, as on a full disk; nothing of them stays.
        """
        now = self._clock()
        entries = [{"kind": kind, "step": step, "time": now, "values": to_json(values)} for kind, step, values in lines]
        _append(self._path, "".join(json.dumps(entry, allow_nan=False) + "\n" for entry in entries).encode())


def _append(path: Path, lines: bytes) -> None:
    """In a single write under a lock, so that lines of two processes never mix and a stump is still the last."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        # A process killed in the middle of a line leaves it open; the next line must not be glued to it.
        is_open = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        data = b"\n" + lines if is_open else lines
        count = os.write(descriptor, data)
        if count < len(data):
            os.ftruncate(descriptor, size)
            raise OSError(errno.ENOSPC, f"only {count} of {len(data)} bytes could be written; is the disk full?")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # os.write names no file
    finally:
        os.close(descriptor)


def to_json(value: Any) -> Any:
    """Numbers of numpy and TensorFlow as JSON has them; NaN and infinity, which it does not have, as null."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): to_json(item) for name, item in value.items()}
    number = float(value)
    return number if math.isfinite(number) else None


def score_or_none(value: float) -> float | None:
    """None for -1, by which the COCO metrics mean a set without objects, and for what is not finite."""
    return value if math.isfinite(value) and value != -1 else None


def parse(line: bytes) -> Metric | None:
    """A line as a Metric; None where it is not one."""
    try:
        payload = json.loads(line, parse_constant=lambda _: None, parse_float=_parse_float)
        kind, values = str(payload["kind"]), dict(payload["values"])
        if kind in _SCORED:
            values = {name: None if value == -1 else value for name, value in values.items()}
        return Metric(kind, int(payload["step"]), float(payload["time"]), values)
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def _parse_float(text: str) -> float | None:
    """1e999 is a number to JSON and infinite to Python."""
    number = float(text)
    return number if math.isfinite(number) else None


def read(path: Path, *kinds: str) -> list[Metric]:
    """All lines, or those of some kinds, oldest first; none where there is no file yet."""
    marks = [f'"{kind}"'.encode() for kind in kinds]
    try:
        with path.open("rb") as stream:
            lines = (line for line in stream if line.endswith(b"\n"))
            if marks:
                # Most lines are not parsed for this: a substring is ten times as fast to find.
                lines = (line for line in lines if any(mark in line for mark in marks))
            entries = [metric for line in lines if (metric := parse(line))]
    except FileNotFoundError:
        return []
    return [entry for entry in entries if entry.kind in kinds] if kinds else entries


def read_backwards(path: Path) -> Iterator[Metric]:
    """All lines, newest first: who needs only the newest reads only the end of a long file."""
    try:
        with path.open("rb") as stream:
            yield from (metric for line in _lines_backwards(stream) if (metric := parse(line)))
    except FileNotFoundError:
        return


def current_course(entries: Iterable[Metric]) -> list[Metric]:
    """Without the lines of steps past a later start: training went back and took those steps again."""
    course: list[Metric] = []
    for entry in entries:
        if entry.kind == "start":
            course = [earlier for earlier in course if earlier.step <= entry.step]
        course.append(entry)
    return course


def find_newest(path: Path, kind: str) -> Metric | None:
    """The last line of this kind in the current course, read from the file's end."""
    limit = math.inf
    for metric in read_backwards(path):
        if metric.kind == kind and metric.step <= limit:
            return metric
        if metric.kind == "start":
            limit = min(limit, metric.step)
    return None


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
