"""The points of a run's curves: whole lines of metrics.jsonl from an offset on, as a tracker takes them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from odtool import metrics, state_files
from odtool.errors import DataError
from odtool.metrics import Metric
from odtool.state_files import StateError

_KINDS = ("train", "eval", "best")
"""Whose values are figures of a curve."""
MOST_LINES = 500
"""In a block: what is told at once, and might be told again after a crash."""
_LONGEST = 1 << 22


@dataclass(frozen=True)
class MetricPoint:
    """One value of one curve."""

    name: str
    """As train/loss or eval/DetectionBoxes_Precision/mAP."""
    value: float
    step: int
    time: float
    """Unix time."""
    place: int
    """Offset of its line in the file, in bytes: larger than those of all earlier lines."""


@dataclass(frozen=True)
class Block:
    """Lines of the file, one after the other."""

    entries: tuple[Metric, ...]
    places: tuple[int, ...]
    """Where the line of each begins."""
    begin: int
    """Offset in bytes."""
    end: int


def identify(path: Path) -> str:
    """What tells the file from another one of its name: its first line. '' while it has none."""
    block = read_block(path, 0, most=1)
    if block is None:
        return ""
    with path.open("rb") as stream:
        return hashlib.sha256(stream.read(block.end)).hexdigest()


def read_block(path: Path, offset: int, *, until: int | None = None, most: int = MOST_LINES) -> Block | None:
    """The next whole lines; None where there are none. Lines that are no metrics are passed over.

    Args:
        until: offset at which the block ends at the latest.

    Raises:
        DataError: there is something else than a file.
    """
    try:
        descriptor = state_files.open_file(path)
    except FileNotFoundError:
        return None
    except StateError as error:
        raise DataError(f"{path}: {error}", "Move it away: training begins a new one.") from None
    entries: list[Metric] = []
    places: list[int] = []
    with os.fdopen(descriptor, "rb") as stream:
        stream.seek(offset)
        end = offset
        for _ in range(most):
            line = stream.readline(_LONGEST)
            if not line.endswith(b"\n") and len(line) < _LONGEST:
                break  # still being written
            if metric := metrics.parse(line):
                entries.append(metric)
                places.append(end)
            end += len(line)
            if until is not None and end >= until:
                break
    return Block(tuple(entries), tuple(places), offset, end) if end > offset else None


def convert(block: Block) -> Iterator[MetricPoint]:
    """The points of lines, without those that a later start of the same lines takes again."""
    places = {id(entry): place for entry, place in zip(block.entries, block.places, strict=True)}
    for entry in metrics.current_course(block.entries):
        place = places[id(entry)]
        if entry.kind == "best":
            value = entry.number("value")
            if value is not None:
                yield MetricPoint("best/value", float(value), entry.step, entry.time, place)
        elif entry.kind in _KINDS:
            for name in entry.values:
                value = entry.number(name)
                if value is not None and not isinstance(value, bool):
                    yield MetricPoint(f"{entry.kind}/{name}", float(value), entry.step, entry.time, place)
