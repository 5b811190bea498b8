"""Detections of an image's tiles made those of the image: what a border cut is one box, what was seen twice is one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from odtool.detection import instance_masks
from odtool.detection.detector import Detections
from odtool.detection.instance_masks import InstanceMask

_NEAR, _LEAST = 64, 2.0
"""A box that ends within a tile's size divided by this from the tile's border, at least so many pixels, is cut there:
models place the sides of boxes no better."""
_ALIGNED = 0.5
"""Share of their common height (or width) that two parts of one object have in both tiles."""
_SAME = 0.5
"""Intersection over union from which two boxes of one class in different tiles are one object."""
_WITHIN = 0.7
"""Share of a cut box that lies in another, from which it is a part of that object."""

_Boxes: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Area:
    """A tile of an image, in its pixels."""

    xmin: int
    ymin: int
    xmax: int
    ymax: int

    def meets(self, area: Area) -> bool:
        """Whether they overlap or touch."""
        across = self.xmin <= area.xmax and area.xmin <= self.xmax
        return across and self.ymin <= area.ymax and area.ymin <= self.ymax


@dataclass(frozen=True)
class _TileBoxes:
    """What all tiles show, in pixels of the image."""

    boxes: _Boxes
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]
    tiles: NDArray[np.int64]
    """[n], which tile each is of."""
    cut: NDArray[np.bool_]
    """[n, 4]: left, top, right, bottom: at a tile's border that is none of the image's."""


def merge(tiles: Sequence[tuple[Area, Detections]], *, width: int, height: int) -> Detections:
    """The objects of an image from what was found in its tiles, best first; each class by itself.

    Two boxes cut by borders that face each other are one object where both reach across what the tiles share, at the
    same height (or in the same place across). What is left of cut boxes gives way to a box that has them within it,
    and of two boxes that are nearly one the surer stays. Boxes of one tile are never held against each other: the
    model's own suppression has done that. The mask of an object is those of its parts.
    """
    parts = _gather(tiles, width, height)
    groups = _unite(parts, [area for area, _ in tiles])
    boxes, scores, classes, open_ended = _join(parts, groups)
    survivors: list[int] = []
    members = [frozenset(parts.tiles[group].tolist()) for group in groups]
    for number in np.unique(classes):
        survivors += _select_distinct(boxes, scores, np.flatnonzero(classes == number), open_ended, members)
    order = sorted(survivors, key=lambda index: -scores[index])
    masks = _join_masks(tiles, groups)
    return Detections(boxes, scores, classes, width, height, masks).select(order)


def _join_masks(
    tiles: Sequence[tuple[Area, Detections]], groups: Sequence[Sequence[int]]
) -> tuple[InstanceMask, ...] | None:
    """A mask for each group of boxes, in pixels of the image; None where the model finds none."""
    if not tiles or any(detections.masks is None for _, detections in tiles):
        return None
    masks = [mask.shift(area.xmin, area.ymin) for area, detections in tiles for mask in detections.masks or ()]
    return tuple(instance_masks.join([masks[index] for index in group]) for group in groups)


def _gather(tiles: Sequence[tuple[Area, Detections]], width: int, height: int) -> _TileBoxes:
    boxes, cuts = [np.zeros((0, 4), np.float32)], [np.zeros((0, 4), np.bool_)]
    for area, detections in tiles:
        boxes.append(detections.boxes + np.array([area.xmin, area.ymin, area.xmin, area.ymin], np.float32))
        border = np.array([area.xmin, area.ymin, area.xmax, area.ymax])
        inner = border != np.array([0, 0, width, height])
        cuts.append((np.abs(boxes[-1] - border) <= _compute_tolerance(area)) & inner)
    counts = [len(detections) for _, detections in tiles]
    return _TileBoxes(
        np.concatenate(boxes),
        np.concatenate([np.zeros(0, np.float32), *(detections.scores for _, detections in tiles)]),
        np.concatenate([np.zeros(0, np.int64), *(detections.classes for _, detections in tiles)]),
        np.repeat(np.arange(len(tiles)), counts),
        np.concatenate(cuts),
    )


def _compute_tolerance(area: Area) -> float:
    return max(_LEAST, max(area.xmax - area.xmin, area.ymax - area.ymin) / _NEAR)


def _unite(parts: _TileBoxes, areas: Sequence[Area]) -> list[list[int]]:
    """Boxes by object: those that continue each other are in one list."""
    leader = list(range(len(parts.boxes)))

    def find(index: int) -> int:
        while leader[index] != index:
            leader[index] = leader[leader[index]]
            index = leader[index]
        return index

    of_tile = [np.flatnonzero((parts.tiles == number) & parts.cut.any(axis=1)) for number in range(len(areas))]
    for one, two in _find_neighbours(areas):
        for first, second in _find_continued(parts, of_tile[one], of_tile[two], areas[one], areas[two]):
            leader[find(first)] = find(second)
    groups: dict[int, list[int]] = {}
    for index in range(len(leader)):
        groups.setdefault(find(index), []).append(index)
    return list(groups.values())


def _find_neighbours(areas: Sequence[Area]) -> Iterator[tuple[int, int]]:
    """Tiles beside each other in one row or one column, the left or upper one first."""
    lines: dict[tuple[str, int, int], list[int]] = {}
    for number, area in enumerate(areas):
        lines.setdefault(("row", area.ymin, area.ymax), []).append(number)
        lines.setdefault(("column", area.xmin, area.xmax), []).append(number)
    for line in lines.values():
        ordered = sorted(line, key=lambda number: (areas[number].xmin, areas[number].ymin))
        for position, first in enumerate(ordered):
            for second in ordered[position + 1 :]:
                if not areas[first].meets(areas[second]):
                    break
                yield first, second


def _find_continued(
    parts: _TileBoxes, firsts: NDArray[np.int64], seconds: NDArray[np.int64], first: Area, second: Area
) -> Iterator[tuple[int, int]]:
    """Pairs of cut boxes of two tiles that are parts of one object."""
    along = 0 if first.ymin == second.ymin else 1
    far, near = along + 2, along
    borders = (first.xmin, first.ymin, first.xmax, first.ymax), (second.xmin, second.ymin, second.xmax, second.ymax)
    left, right = firsts[parts.cut[firsts, far]], seconds[parts.cut[seconds, near]]
    if not len(left) or not len(right):
        return
    tolerance = _compute_tolerance(first)
    # The object crosses both borders, so both of its parts reach across all that the tiles share.
    left = left[parts.boxes[left, near] <= borders[1][near] + tolerance]
    right = right[parts.boxes[right, far] >= borders[0][far] - tolerance]
    boxes_left, boxes_right = parts.boxes[left][:, None], parts.boxes[right][None]
    low, high = 1 - along, 3 - along
    common = np.minimum(boxes_left[..., high], boxes_right[..., high]) - np.maximum(
        boxes_left[..., low], boxes_right[..., low]
    )
    whole = np.maximum(boxes_left[..., high], boxes_right[..., high]) - np.minimum(
        boxes_left[..., low], boxes_right[..., low]
    )
    same = parts.classes[left][:, None] == parts.classes[right][None]
    for row, column in zip(*np.nonzero(same & (common >= _ALIGNED * whole)), strict=True):
        yield int(left[row]), int(right[column])


def _join(
    parts: _TileBoxes, groups: Sequence[Sequence[int]]
) -> tuple[_Boxes, NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]:
    """A box, a score and a class for each object, and whether a border still cuts it."""
    boxes = np.zeros((len(groups), 4), np.float32)
    scores, classes = np.zeros(len(groups), np.float32), np.zeros(len(groups), np.int64)
    open_ended = np.zeros(len(groups), np.bool_)
    for number, group in enumerate(groups):
        corners = parts.boxes[group]
        boxes[number] = [*corners[:, :2].min(axis=0), *corners[:, 2:].max(axis=0)]
        # A side is open where no part ends there of itself.
        ended = (np.abs(corners - boxes[number]) <= _LEAST) & ~parts.cut[group]
        scores[number] = parts.scores[group].max()
        classes[number] = parts.classes[group[0]]
        open_ended[number] = not ended.any(axis=0).all()
    return boxes, scores, classes, open_ended


def _select_distinct(
    boxes: _Boxes,
    scores: NDArray[np.float32],
    candidates: NDArray[np.int64],
    open_ended: NDArray[np.bool_],
    members: Sequence[frozenset[int]],
) -> list[int]:
    """The candidates without those that another speaks for: the surest whole boxes first, then the largest cut ones."""
    survivors: list[int] = []
    sizes = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order = sorted(
        candidates.tolist(), key=lambda index: (open_ended[index], -(sizes if open_ended[index] else scores)[index])
    )
    for index in order:
        shared = _intersect(boxes[index], boxes[survivors])
        union = sizes[index] + sizes[survivors] - shared
        same = shared >= _SAME * union
        if open_ended[index]:
            same |= shared >= _WITHIN * sizes[index]
        speakers = [
            survivors[place] for place in np.flatnonzero(same) if members[survivors[place]].isdisjoint(members[index])
        ]
        if speakers:
            scores[speakers[0]] = max(scores[speakers[0]], scores[index])
        else:
            survivors.append(index)
    return survivors


def _intersect(box: NDArray[np.float32], boxes: _Boxes) -> NDArray[np.float32]:
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    area: NDArray[np.float32] = np.prod(np.maximum(high - low, 0), axis=1)
    return area
