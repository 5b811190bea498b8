"""Shapes as bounding boxes: the envelopes of polygons, ellipses, turned rectangles and groups; pixels or fractions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from odtool.dataset.types import Box, Unit

_MOST_FRACTION = 1.1
"""A fraction may be a hair above 1, by rounding or a box that sticks out; the API itself draws the line here."""
_SHARE = 0.99
"""Of the boxes, those that must be fractions for all to be: one bad row in a long file is a bad row."""


@dataclass
class UnitGuess:
    """Whether a file that says nothing of it has fractions or pixels, by the largest number of each of its boxes."""

    _boxes: int = 0
    _fractions: int = 0

    def add(self, largest: float) -> None:
        """Takes one box into account."""
        self._boxes += largest > 0
        self._fractions += 0 < largest <= _MOST_FRACTION

    @property
    def unit(self) -> Unit:
        return "fraction" if self._boxes and self._fractions >= self._boxes * _SHARE else "pixel"


def guess_unit(largest: Iterable[float]) -> Unit:
    """The unit of a file by the largest number of each of its boxes."""
    guess = UnitGuess()
    for number in largest:
        guess.add(number)
    return guess.unit


def enclose_points(points: Iterable[tuple[float, float]]) -> Box:
    """The smallest upright box around at least one point; not a number where one of them is not."""
    xs, ys = zip(*points, strict=True)
    if any(math.isnan(value) for value in (*xs, *ys)):
        return Box(math.nan, math.nan, math.nan, math.nan)
    return Box(min(xs), min(ys), max(xs), max(ys))


def enclose_boxes(boxes: Iterable[Box]) -> Box:
    """The smallest box around at least one box."""
    return enclose_points(point for box in boxes for point in ((box.xmin, box.ymin), (box.xmax, box.ymax)))


def enclose_rotated(x: float, y: float, width: float, height: float, degrees: float) -> Box:
    """The envelope of a rectangle turned about its top left corner, clockwise as seen (y points down)."""
    if degrees % 360 == 0:
        return Box(x, y, x + width, y + height)
    sine, cosine = _find_sine_and_cosine(degrees)
    corners = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    return enclose_points((x + a * cosine - b * sine, y + a * sine + b * cosine) for a, b in corners)


def enclose_turned(box: Box, degrees: float) -> Box:
    """The envelope of a box that is turned about its centre."""
    if degrees == 0 or not math.isfinite(degrees):
        return box
    sine, cosine = map(abs, _find_sine_and_cosine(degrees))
    x, y = (box.xmin + box.xmax) / 2, (box.ymin + box.ymax) / 2
    width, height = abs(box.xmax - box.xmin), abs(box.ymax - box.ymin)
    half_width, half_height = (width * cosine + height * sine) / 2, (width * sine + height * cosine) / 2
    return Box(x - half_width, y - half_height, x + half_width, y + half_height)


def enclose_ellipse(centre: tuple[float, float], radii: tuple[float, float], degrees: float = 0.0) -> Box:
    """The envelope of an ellipse with these radii (across, down), turned about its centre."""
    (x, y), (across, down) = centre, radii
    sine, cosine = _find_sine_and_cosine(degrees)
    half_width = math.hypot(across * cosine, down * sine)
    half_height = math.hypot(across * sine, down * cosine)
    return Box(x - half_width, y - half_height, x + half_width, y + half_height)


def _find_sine_and_cosine(degrees: float) -> tuple[float, float]:
    """Sine and cosine; not a number for an infinite angle."""
    if not math.isfinite(degrees):
        return math.nan, math.nan
    return math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
