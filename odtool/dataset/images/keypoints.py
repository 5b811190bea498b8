"""Keypoints of objects: placed, turned and cut as their boxes are, and written as the API's decoder reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from odtool.dataset.images import repair
from odtool.dataset.types import Box, Keypoint


def scale(points: Sequence[Keypoint], across: float, down: float) -> tuple[Keypoint, ...]:
    """The points stretched, as from fractions to pixels."""
    return tuple(replace(point, x=point.x * across, y=point.y * down) for point in points)


def turn(points: Sequence[Keypoint], orientation: int, width: float, height: float) -> tuple[Keypoint, ...]:
    """The points of the stored image as they lie in the upright one; see `repair.turn_box`."""
    results = []
    for point in points:
        if point.visibility:  # of no other the place means anything
            spot = repair.turn_box(Box(point.x, point.y, point.x, point.y), orientation, width, height)
            point = replace(point, x=spot.xmin, y=spot.ymin)  # noqa: PLW2901 - the same point
        results.append(point)
    return tuple(results)


def clip_to_area(points: Sequence[Keypoint], area: Box) -> tuple[tuple[Keypoint, ...], int]:
    """The points in pixels of a tile, and how many labelled ones lie outside of it and are labelled no more."""
    results, lost_count = [], 0
    for point in points:
        inside = area.xmin <= point.x <= area.xmax and area.ymin <= point.y <= area.ymax
        lost_count += bool(point.visibility and not inside)
        if point.visibility and inside:
            results.append(replace(point, x=point.x - area.xmin, y=point.y - area.ymin))
        else:
            results.append(Keypoint(0.0, 0.0, name=point.name))
    return tuple(results), lost_count


def fill_missing(points: Sequence[Keypoint], names: Sequence[str]) -> tuple[Keypoint, ...]:
    """The points, and after them those of `names` that are missing, not labelled."""
    return (*points, *(Keypoint(0.0, 0.0, name=name) for name in names[len(points) :]))
