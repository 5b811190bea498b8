from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from odtool.detection.detector import Detections
from odtool.detection.predict import tile_merging, tiled_detection
from odtool.detection.predict.tile_merging import Area
from odtool.detection.predict.tiled_detection import TileSize
from odtool.errors import DataError

Corners = tuple[float, float, float, float]


def found(boxes: Sequence[Corners], width: int = 100, height: int = 100, **more: Sequence[float]) -> Detections:
    scores = more.get("scores", [0.9] * len(boxes))
    classes = more.get("classes", [1] * len(boxes))
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(corners, np.array(scores, np.float32), np.array(classes, np.int64), width, height)


def seen(objects: Sequence[tuple[Corners, int]], area: Area) -> Detections:
    """What a perfect detector finds in a tile: the visible part of each object."""
    parts, classes = [], []
    for (xmin, ymin, xmax, ymax), number in objects:
        part = (max(xmin, area.xmin), max(ymin, area.ymin), min(xmax, area.xmax), min(ymax, area.ymax))
        if part[0] < part[2] and part[1] < part[3]:
            parts.append((part[0] - area.xmin, part[1] - area.ymin, part[2] - area.xmin, part[3] - area.ymin))
            classes.append(number)
    return found(parts, area.xmax - area.xmin, area.ymax - area.ymin, classes=classes)


def merged(objects: Sequence[tuple[Corners, int]], width: int, height: int, tile: TileSize) -> Detections:
    parts = [(area, seen(objects, area)) for area in tiled_detection.plan_tiles(width, height, tile)]
    return tile_merging.merge(parts, width=width, height=height)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[list[tuple[Corners, int]], int, int, TileSize]:
    """Objects of two classes in the cells of a coarse grid, so that none of them meets another."""
    width, height = draw(st.integers(60, 400)), draw(st.integers(60, 400))
    size = draw(st.integers(40, 150))
    tile = TileSize(size, draw(st.integers(0, size // 2)))
    cell = draw(st.integers(30, 250))
    objects: list[tuple[Corners, int]] = []
    for y in range(0, height - cell + 1, cell):
        for x in range(0, width - cell + 1, cell):
            left, top = draw(st.integers(3, cell - 12)), draw(st.integers(3, cell - 12))
            right, bottom = draw(st.integers(left + 8, cell - 3)), draw(st.integers(top + 8, cell - 3))
            objects.append(((x + left, y + top, x + right, y + bottom), draw(st.integers(1, 2))))
    return objects, width, height, tile


@settings(deadline=None, max_examples=60)
@given(scenes())
def test_objects_that_do_not_meet_come_out_as_they_are_whatever_the_tiles(
    scene: tuple[list[tuple[Corners, int]], int, int, TileSize],
) -> None:
    objects, width, height, tile = scene
    assume(objects)
    result = merged(objects, width, height, tile)
    got = sorted((*map(float, box), int(number)) for box, number in zip(result.boxes, result.classes, strict=True))
    assert got == sorted((*map(float, box), number) for box, number in objects)


@settings(deadline=None, max_examples=20)
@given(scenes())
def test_boxes_lie_in_the_image_and_are_sorted_by_score(
    scene: tuple[list[tuple[Corners, int]], int, int, TileSize],
) -> None:
    objects, width, height, tile = scene
    result = merged(objects, width, height, tile)
    assert (result.boxes >= 0).all()
    assert (result.boxes <= np.array([width, height, width, height])).all()
    assert (np.diff(result.scores) <= 0).all()


def test_an_object_in_four_tiles_is_one_box_with_its_best_score() -> None:
    areas = tiled_detection.plan_tiles(180, 180, TileSize(100, 20))
    parts = [(area, seen([((50, 60, 140, 150), 1)], area)) for area in areas]
    for number, (area, part) in enumerate(parts):
        parts[number] = (area, Detections(part.boxes, part.scores - number * np.float32(0.1), part.classes, 100, 100))
    result = tile_merging.merge(parts, width=180, height=180)
    assert result.boxes.tolist() == [[50, 60, 140, 150]]
    assert result.scores.tolist() == pytest.approx([0.9])


def test_parts_of_different_classes_stay_apart() -> None:
    left, right = Area(0, 0, 100, 100), Area(80, 0, 180, 100)
    parts = [(left, found([(50, 20, 100, 60)], classes=[1])), (right, found([(0, 20, 50, 60)], classes=[2]))]
    assert len(tile_merging.merge(parts, width=180, height=100)) == 2


def test_parts_at_different_heights_are_different_objects() -> None:
    left, right = Area(0, 0, 100, 100), Area(80, 0, 180, 100)
    parts = [(left, found([(50, 10, 100, 40)])), (right, found([(0, 60, 50, 90)]))]
    assert len(tile_merging.merge(parts, width=180, height=100)) == 2


def test_parts_that_do_not_quite_reach_the_border_are_united() -> None:
    left, right = Area(0, 0, 100, 100), Area(80, 0, 180, 100)
    parts = [(left, found([(50, 20, 98.5, 60)])), (right, found([(1.5, 22, 50, 61)]))]
    assert tile_merging.merge(parts, width=180, height=100).boxes.tolist() == [[50, 20, 130, 61]]


def test_a_surer_part_gives_way_to_the_whole_and_leaves_its_score() -> None:
    left, right = Area(0, 0, 100, 100), Area(80, 0, 180, 100)
    parts = [(left, found([(85, 20, 100, 60)], scores=[0.95])), (right, found([(5, 20, 60, 60)], scores=[0.6]))]
    result = tile_merging.merge(parts, width=180, height=100)
    assert result.boxes.tolist() == [[85, 20, 140, 60]]
    assert result.scores.tolist() == pytest.approx([0.95])


def test_boxes_of_one_tile_are_not_held_against_each_other() -> None:
    tile = Area(0, 0, 100, 100)
    result = tile_merging.merge([(tile, found([(10, 10, 50, 50), (12, 12, 52, 52)]))], width=180, height=100)
    assert len(result) == 2


def test_nothing_found_is_nothing() -> None:
    assert len(tile_merging.merge([(Area(0, 0, 50, 50), found([]))], width=80, height=50)) == 0


def test_an_overlap_as_large_as_the_tile_is_refused() -> None:
    with pytest.raises(DataError, match="--overlap 100 does not fit --tile 100"):
        TileSize(100, 100)
