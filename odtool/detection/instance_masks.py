"""Instance masks as models give them: a small grid of probabilities in each box, and the pixels that it stands for.

A grid says what the object's share is at evenly spaced points of its box, the outer ones on the box's edges; between
them values are interpolated, and from more than a half on a pixel is the object's. So the API evaluates masks
(utils/ops.py, reframe_box_masks_to_image_masks), and so these functions lay them out. An image's masks are never laid
out all at once: a hundred of a large photograph would take gigabytes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEVEL, _ABOVE_ALL = 0.5, 2.0
_SPECK = 0.5
"""Pixels: a part of an outline with a smaller area holds none of them."""
_STRAIGHT = 1e-6
"""Square pixels: the area of what a straight line's rounded points span."""

Polygon = tuple[float, ...]
"""x, y, x, y and so on, in pixels; where an object has a hole, a cut leads to it and back."""


@dataclass(frozen=True, slots=True)
class MaskPart:
    """A grid, and where it lies."""

    grid: NDArray[np.float32]
    """[rows, columns], 0 to 1, at least two of each."""
    box: tuple[float, float, float, float]
    """xmin, ymin, xmax, ymax in pixels of the frame."""
    frame: tuple[int, int, int, int]
    """x, y, width and height of what the model saw: the image, or a tile of it."""


@dataclass(frozen=True, slots=True)
class InstanceMask:
    """The mask of one object: all that any of its parts covers. It has several where tiles cut the object."""

    parts: tuple[MaskPart, ...]

    def shift(self, x: int, y: int) -> InstanceMask:
        """The mask in an image that has its own at this place."""
        return InstanceMask(
            tuple(
                replace(part, frame=(part.frame[0] + x, part.frame[1] + y, part.frame[2], part.frame[3]))
                for part in self.parts
            )
        )


def join(masks: Sequence[InstanceMask]) -> InstanceMask:
    """The mask of an object of which these are parts."""
    return InstanceMask(tuple(part for mask in masks for part in mask.parts))


def make_mask(grid: NDArray[np.float32], box: Sequence[float], width: int, height: int) -> InstanceMask:
    """The mask of a box, xmin, ymin, xmax, ymax, in an image of this size."""
    grid = np.asarray(grid, np.float32)
    for axis in (0, 1):
        if grid.shape[axis] == 1:
            grid = np.repeat(grid, 2, axis=axis)
    xmin, ymin, xmax, ymax = map(float, box)
    return InstanceMask((MaskPart(grid, (xmin, ymin, xmax, ymax), (0, 0, width, height)),))


def draw(mask: InstanceMask, window: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """Which pixels of a window (xmin, ymin, xmax, ymax) of the image are the object's."""
    left, top, right, bottom = window
    pixels = np.zeros((max(bottom - top, 0), max(right - left, 0)), np.bool_)
    for part in mask.parts:
        x, y, width, height = part.frame
        rows, between_rows = _find_neighbours(top - y, bottom - y, height, part.box[1::2], part.grid.shape[0])
        columns, between_columns = _find_neighbours(left - x, right - x, width, part.box[::2], part.grid.shape[1])
        if not len(between_rows) or not len(between_columns):
            continue
        values = _interpolate(part.grid, between_rows, between_columns) > _LEVEL
        pixels[rows[0] + y - top : rows[-1] + 1 + y - top, columns[0] + x - left : columns[-1] + 1 + x - left] |= values
    return pixels


def _find_neighbours(
    first: int, last: int, size: int, edges: Sequence[float], points: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The pixels from `first` up to `last` that lie within a box's edges, and where on its grid each of them does.

    A pixel's place is between 0 for the frame's first and 1 for its last, which is what crop_and_resize takes.
    """
    pixels = np.arange(max(first, 0), min(last, size))
    places = pixels / (size - 1) * size if size > 1 else np.full(len(pixels), 0.5)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = (places - edges[0]) / (edges[1] - edges[0])
    inside = (shares >= 0) & (shares <= 1)
    return pixels[inside], shares[inside] * (points - 1)


def _interpolate(
    grid: NDArray[np.float32], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float32]:
    above, left = (np.minimum(places.astype(np.int64), size - 2) for places, size in zip((rows, columns), grid.shape))  # noqa: B905 - two of each
    down, across = (rows - above)[:, None].astype(np.float32), (columns - left)[None].astype(np.float32)
    upper = grid[above][:, left] * (1 - across) + grid[above][:, left + 1] * across
    lower = grid[above + 1][:, left] * (1 - across) + grid[above + 1][:, left + 1] * across
    return np.asarray(upper * (1 - down) + lower * down, np.float32)


def compute_iou(first: InstanceMask, second: InstanceMask) -> float:
    """Of the pixels of two masks in one image; 1 where both are empty, as in boxes that hold no pixel's centre."""
    windows = [_find_window(mask) for mask in (first, second)]
    lefts, tops, rights, bottoms = zip(*windows, strict=True)
    window = (min(lefts), min(tops), max(rights), max(bottoms))
    one, other = draw(first, window), draw(second, window)
    union = int((one | other).sum())
    return int((one & other).sum()) / union if union else 1.0


def _find_window(mask: InstanceMask) -> tuple[int, int, int, int]:
    """Pixels beyond which there is nothing of a mask."""
    corners = np.array([[part.box[side] + part.frame[side % 2] for side in range(4)] for part in mask.parts])
    low, high = np.floor(corners[:, :2].min(axis=0)) - 1, np.ceil(corners[:, 2:].max(axis=0)) + 1
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def find_polygons(mask: InstanceMask) -> tuple[Polygon, ...]:
    """The outlines of a mask in pixels of the image, the centre of the first pixel being at .5, as COCO has it.

    They are the lines on which the interpolated grid has the value of a half; of a mask of several parts, those of
    each part.
    """
    return tuple(polygon for part in mask.parts for polygon in _trace_part(part))


def trace_pixels(pixels: NDArray[np.bool_], *, tolerance: float) -> tuple[Polygon, ...]:
    """The outlines of what pixels [height, width] hold, to be shown: no point is farther from them than `tolerance`."""
    rows, columns = np.nonzero(pixels.any(axis=1))[0], np.nonzero(pixels.any(axis=0))[0]
    if not len(rows):
        return ()
    top, left = int(rows[0]), int(columns[0])
    window = pixels[top : rows[-1] + 1, left : columns[-1] + 1]
    # The padding's points lie half a pixel before the first, and points are at the centres of pixels.
    corner = np.array((left, top)) - 0.5
    places = [
        [_simplify(ring, tolerance) + corner for ring in rings]
        for rings in _trace(np.pad(window, 1).astype(np.float32))
    ]
    return tuple(polygon for rings in places if (polygon := _join_rings(rings)))


def _simplify(ring: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """The closed line with as few of its points as leave all others near it (Douglas and Peucker, 1973)."""
    chosen = np.zeros(len(ring), np.bool_)
    farthest = int(np.argmax(np.square(ring - ring[0]).sum(axis=1)))
    chosen[[0, farthest, -1]] = True
    spans = [(0, farthest), (farthest, len(ring) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        along = ring[last] - ring[first]
        away = ring[first + 1 : last] - ring[first]
        distances = np.abs(along[0] * away[:, 1] - along[1] * away[:, 0]) / max(float(np.hypot(*along)), 1e-9)
        if distances.max() > tolerance:
            middle = first + 1 + int(np.argmax(distances))
            chosen[middle] = True
            spans += [(first, middle), (middle, last)]
    return np.asarray(ring[chosen])


def _trace_part(part: MaskPart) -> list[Polygon]:
    x, y, width, height = part.frame
    rows, columns = part.grid.shape

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        shares = np.clip(points - 1, 0, (columns - 1, rows - 1)) / (columns - 1, rows - 1)  # the padding goes
        low, high = np.array(part.box[:2]), np.array(part.box[2:])
        size, corner = np.array((width, height)), np.array((x, y))
        # As boxes, outlines end where the image does.
        return np.asarray(np.clip((low + shares * (high - low)) * (size - 1) / size + 0.5, 0, size) + corner)

    # Beyond the box there is nothing.
    return [polygon for rings in _trace(np.pad(part.grid, 1)) if (polygon := _join_rings([place(r) for r in rings]))]


def _trace(values: NDArray[np.float32]) -> list[list[NDArray[np.float64]]]:
    """Outer lines of what lies above the level, each with those of its holes, as [n, 2] of column and row."""
    from contourpy import FillType, contour_generator

    contours: Any = contour_generator(z=values, name="serial", fill_type=FillType.OuterOffset)
    points, offsets = contours.filled(_LEVEL, _ABOVE_ALL)
    return [
        [line[start:end] for start, end in itertools.pairwise(starts)]
        for line, starts in zip(points, offsets, strict=True)
    ]


def _join_rings(rings: Sequence[NDArray[np.float64]]) -> Polygon:
    """One closed line, without its last point, which is its first; holes are joined to it by a cut, there and back."""
    line = rings[0]
    if _compute_area(line) < _SPECK:
        return ()
    for hole in rings[1:]:
        if _compute_area(hole) < _SPECK:
            continue
        distances = np.square(line[:, None] - hole[None]).sum(axis=-1)
        here, there = np.unravel_index(int(np.argmin(distances)), distances.shape)
        around = np.concatenate([hole[there:-1], hole[: there + 1]])
        line = np.concatenate([line[: here + 1], around, line[here:]])
    corners = _drop_straight(np.round(line[:-1], 2))
    return tuple(float(value) for value in corners.ravel()) if len(corners) > 2 else ()


def _drop_straight(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without repeated points, and without those on a straight line from the one before to the one after."""
    points = points[np.any(points != np.roll(points, 1, axis=0), axis=1)]
    coming, going = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    turn = coming[:, 0] * going[:, 1] - coming[:, 1] * going[:, 0]
    onward = (coming * going).sum(axis=1)  # below 0 where a cut turns back
    return np.asarray(points[(np.abs(turn) > _STRAIGHT) | (onward <= 0)])


def _compute_area(ring: NDArray[np.float64]) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return float(abs(np.dot(x[:-1], y[1:]) - np.dot(y[:-1], x[1:])) / 2)
