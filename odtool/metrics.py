"""metrics.jsonl, to which a run's processes append one object a line: kind, step, time, values.

The last line may be half written, by a process that is writing or was killed: a line counts once it is whole.
After a resume the steps begin again further back, so the line written last is the one that holds.
"""

from __future__ import annotations

import io
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from odtool import files, state_files
from odtool.errors import DataError
from odtool.state_files import StateError

_BLOCK = 1 << 16
_LONGEST = 1 << 22
"""Bytes of a line; that of an evaluation of 10,000 classes has some hundred thousand."""
_LATEST = 253_402_300_799
"""Unix time of the end of the year 9999, which is as far as calendars here go."""
MUCH_WAITING = 0.2
"""Share of a training's time spent waiting for input from which on it is worth a word: with none of it, training would
take four fifths of the time."""
_STEP_KINDS = ("train", "checkpoint")
"""Kinds that are written again and again, of which the newest counts."""
_STEPS = tuple(f'{{"kind": "{kind}"'.encode() for kind in _STEP_KINDS)
"""How such a line begins, so that it need not be parsed."""
_FILES_KNOWN = 64
_LOOKED_AT = 1 << 10
_SCORED = ("eval", "best")
"""Kinds whose values are scores."""
_OTHER_TYPES: dict[str, type] = {
    **dict.fromkeys(("path", "state", "reason", "checkpoint", "metric", "precision"), str),
    **dict.fromkeys(("losses", "records", "changes", "notes"), list),
    "cache": bool,
}
"""Of values that are not numbers."""


@dataclass(frozen=True)
class Metric:
    """One line."""

    kind: str
    """start, train, checkpoint, not_finite, recover, eval, best, skip or end."""
    step: int
    time: float
    """Unix time."""
    values: dict[str, Any]
    """Numbers by name; None for one that is not finite (NaN, an infinity), and for a score of a set without objects.
    Besides numbers there are texts, as path and state, lists, as losses and records, and whether there is a cache."""

    def number(self, name: str) -> float | None:
        """A value that is a number; None where there is none."""
        value = self.values.get(name)
        return value if isinstance(value, (int, float)) else None


_known_events: dict[Path, _KnownEvents] = {}


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
        files.append_line(self._path, "".join(json.dumps(entry, allow_nan=False) + "\n" for entry in entries).encode())


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
        payload = state_files.parse(line)
        return build(payload["kind"], payload["step"], payload["time"], payload["values"])
    except (StateError, KeyError, TypeError):
        return None


def build(kind: object, step: object, written: object, values: object) -> Metric | None:
    """A Metric of what was read; None where it cannot be one.

    A value that is neither a number nor of those that are texts or lists is None: nobody can reckon with it.
    """
    if not isinstance(kind, str) or type(step) is not int or step < 0 or not isinstance(values, dict):
        return None
    if type(written) not in (int, float) or not 0 <= float(written) <= _LATEST:  # type: ignore[arg-type]  # it is a number
        return None
    missing = -1 if kind in _SCORED else None
    fit = {name: value if _fits(name, value) and value != missing else None for name, value in values.items()}
    return Metric(kind, step, float(written), fit)  # type: ignore[arg-type]  # as above


def _fits(name: str, value: object) -> bool:
    kind = _OTHER_TYPES.get(name)
    return type(value) in (int, float) if kind is None else isinstance(value, kind)


def read(path: Path, *kinds: str) -> list[Metric]:
    """All lines, or those of some kinds, oldest first; none where there is no file yet.

    Raises:
        DataError: there is something else than a file.
    """
    marks = [f'"{kind}"'.encode() for kind in kinds]
    with _open(path) as stream:
        lines = _list_lines(stream)
        if marks:
            # Most lines are not parsed for this: a substring is ten times as fast to find.
            lines = (line for line in lines if any(mark in line for mark in marks))
        entries = [metric for line in lines if (metric := parse(line))]
    return [entry for entry in entries if entry.kind in kinds] if kinds else entries


def read_events(path: Path) -> list[Metric]:
    """All lines but those of single steps (train and checkpoint), oldest first. Raises as `read` does.

    What was read before in this process is remembered, so that asking again and again costs what was added: a long
    training has hundreds of thousands of lines, of which these are few.
    """
    with _open(path) as stream:
        known = _known_events.pop(path, None)
        if known is None or not known.is_beginning_of(stream):
            known = _KnownEvents()
        known.read_on(stream)
        _known_events[path] = known  # now the one that was asked for last
        if len(_known_events) > _FILES_KNOWN:
            del _known_events[next(iter(_known_events))]
        return list(known.events)


class _KnownEvents:
    """The events of a file up to an offset."""

    def __init__(self) -> None:
        self.events: list[Metric] = []
        self._offset = 0
        self._ends = b"", b""
        """The first and the last bytes up to there, by which another file is told."""

    def is_beginning_of(self, stream: BinaryIO) -> bool:
        """Whether what was read is still there, as far as a look at both of its ends tells."""
        return self._read_ends(stream) == self._ends

    def read_on(self, stream: BinaryIO) -> None:
        """Reads what was added since, as far as lines are whole."""
        end = _find_end_of_lines(stream, self._offset)
        stream.seek(self._offset)
        for line in _list_lines(stream, end):
            if not line.startswith(_STEPS) and (metric := parse(line)) and metric.kind not in _STEP_KINDS:
                self.events.append(metric)
        self._offset = end
        self._ends = self._read_ends(stream)

    def _read_ends(self, stream: BinaryIO) -> tuple[bytes, bytes]:
        stream.seek(0)
        first = stream.read(min(_LOOKED_AT, self._offset))
        stream.seek(max(0, self._offset - _LOOKED_AT))
        return first, stream.read(min(_LOOKED_AT, self._offset))


def _find_end_of_lines(stream: BinaryIO, start: int) -> int:
    """Where the last whole line ends; `start` where none ends after it."""
    end = stream.seek(0, 2)
    while end > start:
        begin = max(start, end - _BLOCK)
        stream.seek(begin)
        if newline := stream.read(end - begin).rfind(b"\n") + 1:
            return begin + newline
        end = begin
    return start


def read_backwards(path: Path) -> Iterator[Metric]:
    """All lines, newest first: who needs only the newest reads only the end of a long file. Raises as `read` does."""
    with _open(path) as stream:
        yield from (metric for line in _lines_backwards(stream) if (metric := parse(line)))


def _open(path: Path) -> BinaryIO:
    try:
        return os.fdopen(state_files.open_file(path), "rb")
    except FileNotFoundError:
        return io.BytesIO()
    except StateError as error:
        raise DataError(f"{path}: {error}", "Move it away: training begins a new one.") from None


def _list_lines(stream: BinaryIO, end: float = math.inf) -> Iterator[bytes]:
    """Whole lines up to an offset, without those that are too long."""
    while stream.tell() < end and (line := stream.readline(_LONGEST)):
        if line.endswith(b"\n"):
            yield line
        else:
            while line and not line.endswith(b"\n"):
                line = stream.readline(_LONGEST)


def current_course(entries: Iterable[Metric]) -> list[Metric]:
    """Without the lines of steps past a later start: training went back and took those steps again."""
    course: list[Metric] = []
    for entry in entries:
        if entry.kind == "start":
            course = [earlier for earlier in course if earlier.step <= entry.step]
        course.append(entry)
    return course


def find_newest(path: Path, kind: str) -> Metric | None:
    """The last line of this kind in the current course; of another kind than those of single steps."""
    course = current_course(read_events(path))
    return next((entry for entry in reversed(course) if entry.kind == kind), None)


def _lines_backwards(stream: BinaryIO) -> Iterator[bytes]:
    """Whole lines, last first, without what follows the last newline and without those that are too long."""
    end = stream.seek(0, 2)
    rest = b""
    # What follows the last newline is passed over like the rest of a line that is too long.
    dropping = True
    while end > 0:
        begin = max(0, end - _BLOCK)
        stream.seek(begin)
        block = stream.read(end - begin)
        end = begin
        first, newline, after = block.partition(b"\n")
        if not newline:
            rest = b"" if dropping else block + rest
        else:
            *between, last = after.split(b"\n")
            if not dropping:
                yield last + rest
            yield from reversed(between)
            rest, dropping = first, False
        if len(rest) > _LONGEST:
            rest, dropping = b"", True
    if not dropping:
        yield rest
