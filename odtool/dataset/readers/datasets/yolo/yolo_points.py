"""Whether YOLO lines are boxes with keypoints, which read like polygons where no kpt_shape says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from odtool.dataset.readers.common.streams import input_files

_FEWEST = 3
"""Lines that have to agree: one polygon may look like points in a box by chance."""
_SLACK = 0.01
"""Share of the box's width and height by which points may stick out."""


def count_undeclared_numbers(files: Iterable[Path]) -> int:
    """How many numbers follow each box where all lines of these files look so, else 0."""
    lines: list[list[float]] = []
    for file in files:
        for line in input_files.read_ends(file).splitlines():
            try:
                values = [float(word) for word in line.split()[1:]]
            except ValueError:
                return 0
            if values and (len(values) <= 8 or len(values) != len((lines or [values])[0]) or not _is_pose(values)):
                return 0
            lines += [values] if values else []
    return len(lines[0]) - 4 if len(lines) >= _FEWEST else 0


def _is_pose(values: Sequence[float]) -> bool:
    coordinates = values[4:]
    if len(coordinates) % 3 == 0 and {*coordinates[2::3]} <= {0.0, 1.0, 2.0}:
        return _lie_inside(values, list(zip(coordinates[0::3], coordinates[1::3], strict=True)))
    return len(coordinates) % 2 == 0 and _lie_inside(
        values, list(zip(coordinates[0::2], coordinates[1::2], strict=True))
    )


def _lie_inside(values: Sequence[float], points: Sequence[tuple[float, float]]) -> bool:
    """Whether all points lie in the box, and around its centre; a polygon's first corner lies at its rim."""
    # What is not in the picture stands at 0, 0.
    visible = [point for point in points if any(point)]
    return bool(visible) and all(
        abs(coordinate - centre) <= size * (0.5 + _SLACK) and min(along) < centre < max(along)
        for centre, size, along in zip(values[:2], values[2:4], zip(*visible, strict=True), strict=True)
        for coordinate in along
    )
