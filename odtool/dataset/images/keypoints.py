"""Key points of objects: placed, turned and cut as their boxes are, and written as the API's decoder reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from odtool.dataset.images import repair
from odtool.dataset.records.features import byte_strings, floats, ints, utf8
from odtool.dataset.types import Box, KeyPoint, ObjectAnnotation


def scaled(points: Sequence[KeyPoint], across: float, down: float) -> tuple[KeyPoint, ...]:
    """The points stretched, as from fractions to pixels."""
    return tuple(replace(point, x=point.x * across, y=point.y * down) for point in points)


def turned(points: Sequence[KeyPoint], orientation: int, width: float, height: float) -> tuple[KeyPoint, ...]:
    """The points of the stored image as they lie in the upright one; see `repair.turned`."""
    made = []
    for point in points:
        if point.visibility:  # of no other the place means anything
            spot = repair.turned(Box(point.x, point.y, point.x, point.y), orientation, width, height)
            point = replace(point, x=spot.xmin, y=spot.ymin)  # noqa: PLW2901 - the same point
        made.append(point)
    return tuple(made)


def within(points: Sequence[KeyPoint], area: Box) -> tuple[tuple[KeyPoint, ...], int]:
    """The points in pixels of a tile, and how many labelled ones lie outside of it and are labelled no more."""
    made, lost = [], 0
    for point in points:
        inside = area.xmin <= point.x <= area.xmax and area.ymin <= point.y <= area.ymax
        lost += bool(point.visibility and not inside)
        if point.visibility and inside:
            made.append(replace(point, x=point.x - area.xmin, y=point.y - area.ymin))
        else:
            made.append(KeyPoint(0.0, 0.0, name=point.name))
    return tuple(made), lost


def filled(points: Sequence[KeyPoint], names: Sequence[str]) -> tuple[KeyPoint, ...]:
    """The points, and after them those of `names` that are missing, not labelled."""
    return (*points, *(KeyPoint(0.0, 0.0, name=name) for name in names[len(points) :]))


def serialized(objects: Sequence[ObjectAnnotation], width: float, height: float) -> bytes:
    """The features of the objects' key points, in the order of the objects and as many for each.

    The keys are those of data_decoders/tf_example_decoder.py and dataset_tools/create_coco_tf_record.py.
    """
    names = [point.name for point in max((item.keypoints for item in objects), key=len)]
    rows = [filled(item.keypoints, names) for item in objects]
    points = list(chain.from_iterable(rows))
    key = b"image/object/keypoint/"
    pieces = [
        floats(
            (key + b"x", key + b"y"), ([point.x / width for point in points], [point.y / height for point in points])
        ),
        ints(key + b"visibility", tuple([point.visibility for point in points])),
        ints(key + b"num", tuple([sum(1 for point in row if point.visibility) for row in rows])),
    ]
    if any(point.name for point in points):
        pieces.append(byte_strings(key + b"text", [utf8(point.name) for point in points]))
    return b"".join(pieces)
