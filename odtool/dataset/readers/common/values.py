"""Values of JSON documents as the numbers, points and sizes that they should be, or None."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from odtool.dataset.readers.common.faults import AnnotationError

Point = tuple[float, float]


def parse_number(value: Any) -> float | None:
    """A JSON number, or None for anything else; one beyond floats is infinite, which the checks leave out."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def parse_numbers(values: Any, count: int) -> tuple[float, ...] | None:
    """As many JSON numbers as asked for, or None."""
    if not isinstance(values, list | tuple) or len(values) != count:
        return None
    results = [read for value in values if (read := parse_number(value)) is not None]
    return tuple(results) if len(results) == count else None


def parse_fields(item: Any, *names: str) -> tuple[float, ...] | None:
    """The numbers of these fields, or None where one is missing or no number."""
    return parse_numbers([item.get(name) for name in names], len(names)) if isinstance(item, dict) else None


def refuse_words(item: Any, names: Iterable[str], where: str, path: Path, line: int = 0) -> None:
    """Raises AnnotationError where a field that should be a number, or numbers in lists, is there and is not.

    What is not there is no fault: nobody has drawn it. `where`, `path` and `line` are only named in the error.
    """
    for name in names if isinstance(item, dict) else ():
        if item.get(name) is not None and not _is_numeric(item[name]):
            kind = "numbers" if isinstance(item[name], list) else "a number"
            raise AnnotationError(path, f"{where}: {name} is {str(item[name])[:40]!r}, not {kind}", line=line)


def _is_numeric(value: Any) -> bool:
    """Whether a value is a number, or a list or point of numbers."""
    if isinstance(value, list | dict):
        return all(map(_is_numeric, value.values() if isinstance(value, dict) else value))
    return parse_number(value) is not None


def parse_points(values: Any) -> list[Point] | None:
    """[[x, y], ...] or [{'x': x, 'y': y}, ...], at least two points; None where it is not so."""
    if not isinstance(values, list) or len(values) < 2:
        return None
    parsed_pairs = [
        parse_fields(value, "x", "y") if isinstance(value, dict) else parse_numbers(value, 2) for value in values
    ]
    pairs = [(pair[0], pair[1]) for pair in parsed_pairs if pair is not None]
    return pairs if len(pairs) == len(values) else None


def parse_size(width: Any, height: Any) -> tuple[int, int] | None:
    """A declared image size in whole pixels; None where there is none, or a zero as some writers have it."""
    sides = parse_numbers([width, height], 2)
    return (int(sides[0]), int(sides[1])) if sides and all(1 <= side < 1e9 for side in sides) else None


def parse_label(value: Any) -> str:
    """A class name without surrounding blanks, which some tools write as a number; '' for anything else."""
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
