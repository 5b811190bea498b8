"""metrics.jsonl: what training and evaluation say of a run, one JSON object a line, written and read back."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odtool import files


@dataclass(frozen=True)
class Entry:
    """One line: `kind` is start, train, checkpoint, not_finite, recover, eval, best, skip or end."""

    kind: str
    step: int
    time: float
    """Seconds since the epoch."""
    values: dict[str, Any]


class MetricsLog:
    """Appends to a metrics.jsonl that another process may be appending to as well."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._end_a_broken_line()

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Appends one line in a single write, so that lines of two processes never mix."""
        self.write_together([(kind, step, values)])

    def write_together(self, lines: Sequence[tuple[str, int, Mapping[str, Any]]]) -> None:
        """Appends lines (kind, step, values) that nobody is to read one without the other."""
        now = self._clock()
        entries = [
            {"kind": kind, "step": step, "time": now, "values": {name: _plain(value) for name, value in values.items()}}
            for kind, step, values in lines
        ]
        self._append("".join(json.dumps(entry, allow_nan=False) + "\n" for entry in entries))

    def _append(self, text: str) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)

    def _end_a_broken_line(self) -> None:
        """A process killed in the middle of a line leaves it open; the next line must not be glued to it."""
        try:
            with self._path.open("rb") as stream:
                if stream.seek(0, os.SEEK_END) == 0:
                    return
                stream.seek(-1, os.SEEK_END)
                whole = stream.read() == b"\n"
        except FileNotFoundError:
            return
        if not whole:
            self._append("\n")


def read(path: Path) -> list[Entry]:
    """All complete lines; what a killed process left half-written is passed over."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    found = (_parse(line) for line in lines)
    return [entry for entry in found if entry is not None]


def scored_checkpoints(entries: list[Entry], *, sample: int | None = None) -> set[str]:
    """Names of the run's own checkpoints that have been evaluated, without those that a later start trained anew.

    Args:
        sample: count only evaluations over 1 of this many images.
    """
    return {
        str(entry.values.get("checkpoint"))
        for entry in _current(entries)
        if entry.kind == "eval" and sample in (None, entry.values.get("sample_1_of_n"))
    }


def skipped_checkpoints(entries: list[Entry]) -> set[str]:
    """Names of checkpoints that an evaluation of the latest only has passed over."""
    return {str(entry.values.get("checkpoint")) for entry in _current(entries) if entry.kind == "skip"}


def best(entries: list[Entry]) -> Entry | None:
    """The newest line of the best evaluation, without those that a later start trained anew."""
    found = [entry for entry in _current(entries) if entry.kind == "best"]
    return found[-1] if found else None


def evaluations_since_best(entries: list[Entry]) -> int:
    """How many checkpoints later than the best have been evaluated."""
    line = best(entries)
    if line is None:
        return 0
    return len({entry.step for entry in _current(entries) if entry.kind == "eval" and entry.step > line.step})


def value_of(entries: list[Entry], step: int, name: str) -> float | None:
    """A metric in the newest evaluation of a step; None where it is not there."""
    for entry in reversed(_current(entries)):
        if entry.kind == "eval" and entry.step == step:
            number = entry.values.get(name)
            return float(number) if isinstance(number, (int, float)) else None
    return None


def keep_checkpoints(entries: list[Entry]) -> int | None:
    """How many checkpoints the newest start of training was asked to keep."""
    starts = [entry for entry in entries if entry.kind == "start"]
    kept = starts[-1].values.get("keep_checkpoints") if starts else None
    return kept if isinstance(kept, int) else None


def _current(entries: list[Entry]) -> list[Entry]:
    """Without evaluations of steps past a later start: training went back and makes those checkpoints again."""
    current: list[Entry] = []
    for entry in entries:
        if entry.kind == "start":
            current = [old for old in current if old.step <= entry.step]
        current.append(entry)
    return current


def write_best(path: Path, step: int, values: Mapping[str, Any]) -> None:
    """best/metrics.json: what the checkpoint beside it has scored."""
    content = {"step": step, **{name: _plain(value) for name, value in values.items()}}
    files.write_atomically(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def _parse(line: str) -> Entry | None:
    try:
        raw = json.loads(line)
        return Entry(str(raw["kind"]), int(raw["step"]), float(raw["time"]), dict(raw["values"]))
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def _plain(value: Any) -> Any:
    """Numbers of numpy and TensorFlow as JSON has them; NaN and infinity, which it has not, as null."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    number = float(value)
    return number if math.isfinite(number) else None
