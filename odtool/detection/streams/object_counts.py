"""Distinct objects of a video by class, and those that crossed a line: counted from the numbers that tracking gave."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from odtool.detection.predict.image_stream import PictureDetections
from odtool.errors import DataError

Line: TypeAlias = tuple[float, float, float, float]
"""From a point to another, x1, y1, x2, y2 in pixels of the frames."""
_FORGET = 2_000
"""Frames after which an object that was not seen again is forgotten; no tracker remembers one for as long."""


@dataclass
class _Object:
    label: str
    centre: tuple[float, float]
    frame: int
    crossed: set[str] = field(default_factory=set)


@dataclass
class ObjectCounts:
    """Takes frames in order; counts each video by itself and all together."""

    line: Line | None = None
    distinct: Counter[str] = field(default_factory=Counter)
    """Objects by class."""
    crossings: dict[str, Counter[str]] = field(default_factory=dict)
    """By class: objects that went to the `left` or to the `right`, seen along the line from its first point."""
    _medium: int = -1
    _objects: dict[int, _Object] = field(default_factory=dict)

    def add(self, result: PictureDetections) -> None:
        """Counts the objects of a frame that were not seen before, and those that are now across the line."""
        frame = result.picture.frame
        if frame is None:
            return
        if result.picture.medium.number != self._medium:
            self._medium, self._objects = result.picture.medium.number, {}
        for box in result.boxes:
            if box.track is None:
                continue
            corners = box.box
            centre = (corners.xmin + corners.xmax) / 2, (corners.ymin + corners.ymax) / 2
            item = self._objects.get(box.track)
            if item is None:
                self.distinct[box.label] += 1
                self._objects[box.track] = _Object(box.label, centre, frame)
                continue
            self._cross(item, centre)
            item.centre, item.frame = centre, frame
        if len(self._objects) > _FORGET:
            self._objects = {key: item for key, item in self._objects.items() if frame - item.frame < _FORGET}

    def _cross(self, item: _Object, centre: tuple[float, float]) -> None:
        """Each object counts once for each side, however often it crosses."""
        side = find_crossing(self.line, item.centre, centre) if self.line else None
        if side is not None and side not in item.crossed:
            item.crossed.add(side)
            self.crossings.setdefault(item.label, Counter())[side] += 1

    def as_json(self) -> dict[str, Any]:
        """`distinct_objects` by class and, with a line, `crossed_line` by class and side."""
        counts: dict[str, Any] = {"distinct_objects": dict(self.distinct)}
        if self.line:
            counts["crossed_line"] = {
                label: {side: sides[side] for side in ("left", "right")} for label, sides in self.crossings.items()
            }
        return counts


def find_crossing(line: Line, before: tuple[float, float], after: tuple[float, float]) -> str | None:
    """To which side of the line something went: 'left' or 'right', seen along it; None where it did not cross it.

    A point on the line belongs to its right side, so that stopping on it and going on is one crossing.
    """
    x1, y1, x2, y2 = line
    start, end = (_compute_side((x1, y1), (x2, y2), point) for point in (before, after))
    if (start > 0) == (end > 0):
        return None
    first, second = (_compute_side(before, after, point) for point in ((x1, y1), (x2, y2)))
    if first * second > 0:
        return None  # past an end of the line
    return "left" if end > 0 else "right"


def _compute_side(start: tuple[float, float], end: tuple[float, float], point: tuple[float, float]) -> float:
    """Above 0 left of the way from start to end, as one sees it: y grows downwards in images."""
    return (end[1] - start[1]) * (point[0] - start[0]) - (end[0] - start[0]) * (point[1] - start[1])


def parse_line(text: str) -> Line:
    """The line of a text such as '0,300,640,300'.

    Raises:
        DataError: it is not four numbers, or the points are the same.
    """
    try:
        x1, y1, x2, y2 = (float(word) for word in text.split(","))
    except ValueError:
        raise DataError(f"'{text}' is not a line", "Give two points in pixels: 0,300,640,300") from None
    if not all(abs(value) < 1e6 for value in (x1, y1, x2, y2)) or (x1, y1) == (x2, y2):
        raise DataError(f"'{text}' is not a line: it needs two points", "Give them in pixels: 0,300,640,300")
    return x1, y1, x2, y2
