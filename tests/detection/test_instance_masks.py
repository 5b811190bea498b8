"""Grids of masks become pixels and outlines."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from odtool.dataset.images import masks
from odtool.dataset.types import Box, Outline
from odtool.detection import instance_masks

SIDE = 160
IMAGE = (0, 0, SIDE, SIDE)
_X, _Y = np.meshgrid(np.linspace(-1, 1, 33), np.linspace(-1, 1, 33))
DISC = 1 / (1 + np.exp(20 * (np.hypot(_X, _Y) - 0.8)))
RING = DISC * (1 / (1 + np.exp(20 * (0.4 - np.hypot(_X, _Y)))))


def rasterise(polygons: tuple[tuple[float, ...], ...]) -> NDArray[np.bool_]:
    return masks.draw(Outline(polygons=polygons), Box(0, 0, SIDE, SIDE), (SIDE, SIDE), IMAGE)


@pytest.mark.parametrize("box", [(10, 20, 80, 75), (0, 0, SIDE, SIDE), (-30, 40, 50, 200), (3.3, 4.4, 29.9, 32.1)])
@pytest.mark.parametrize("grid", [DISC, RING, np.ones((33, 33)), np.ones((1, 1)), DISC[::4, ::8]])
def test_the_outline_of_a_mask_holds_its_pixels(
    grid: NDArray[np.float32], box: tuple[float, float, float, float]
) -> None:
    mask = instance_masks.make_mask(grid, box, SIDE, SIDE)
    pixels, outlined = instance_masks.draw(mask, IMAGE), rasterise(instance_masks.find_polygons(mask))
    assert pixels.sum() > 20
    assert (pixels & outlined).sum() / (pixels | outlined).sum() > 0.96


def test_a_whole_box_has_four_corners_and_a_hole_stays_one() -> None:
    (square,) = instance_masks.find_polygons(instance_masks.make_mask(np.ones((33, 33)), (10, 20, 80, 75), SIDE, SIDE))
    assert len(square) == 8
    ring = instance_masks.make_mask(RING, (20, 20, 140, 140), SIDE, SIDE)
    assert not instance_masks.draw(ring, IMAGE)[80, 80]
    assert not rasterise(instance_masks.find_polygons(ring))[80, 80]


def test_an_outline_ends_where_the_image_does() -> None:
    mask = instance_masks.make_mask(DISC, (-50, -1e6, 250, 90), SIDE, SIDE)
    for polygon in instance_masks.find_polygons(mask):
        assert min(polygon) >= 0
        assert max(polygon) <= SIDE


def test_two_parts_of_a_grid_are_two_outlines() -> None:
    grid = np.zeros((9, 9), np.float32)
    grid[1:4, 1:4] = grid[6:8, 6:8] = 1
    mask = instance_masks.make_mask(grid, (0, 0, 90, 90), SIDE, SIDE)
    assert len(instance_masks.find_polygons(mask)) == 2


@pytest.mark.parametrize("box", [(5, 5, 5, 5), (200, 200, 300, 300), (10.1, 10, 10.2, 90)])
def test_a_box_that_holds_no_pixel_has_an_empty_mask(box: tuple[float, float, float, float]) -> None:
    mask = instance_masks.make_mask(np.ones((33, 33)), box, SIDE, SIDE)
    assert not instance_masks.draw(mask, IMAGE).any()
    assert instance_masks.compute_iou(mask, mask) == 1
    assert instance_masks.compute_iou(mask, instance_masks.make_mask(np.ones((33, 33)), IMAGE, SIDE, SIDE)) == 0


def test_nothing_above_a_half_has_no_outline() -> None:
    assert instance_masks.find_polygons(instance_masks.make_mask(np.full((9, 9), 0.4), (0, 0, 50, 50), 99, 99)) == ()


def test_overlap_is_of_pixels_and_not_of_boxes() -> None:
    box = (10, 10, 90, 90)
    disc, ring = (instance_masks.make_mask(grid, box, SIDE, SIDE) for grid in (DISC, RING))
    assert instance_masks.compute_iou(disc, disc) == 1
    assert instance_masks.compute_iou(disc, ring) == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize("grid", [DISC, RING])
def test_pixels_are_traced_with_few_points(grid: NDArray[np.float32]) -> None:
    pixels = instance_masks.draw(instance_masks.make_mask(grid, (12, 20, 140, 150), SIDE, SIDE), IMAGE)
    (polygon,) = instance_masks.trace_pixels(pixels, tolerance=1)
    outlined = rasterise((polygon,))
    assert (pixels & outlined).sum() / (pixels | outlined).sum() > 0.97
    assert len(polygon) < 120


def test_no_pixels_have_no_outline_and_one_pixel_has_one() -> None:
    pixels = np.zeros((9, 9), bool)
    assert instance_masks.trace_pixels(pixels, tolerance=1) == ()
    pixels[4, 5] = True
    (polygon,) = instance_masks.trace_pixels(pixels, tolerance=0.1)
    assert (min(polygon[::2]), max(polygon[::2])) == (5, 6)
    assert (min(polygon[1::2]), max(polygon[1::2])) == (4, 5)


def test_parts_in_tiles_are_one_mask_of_the_image() -> None:
    left = instance_masks.make_mask(np.ones((5, 5)), (20, 20, 100, 80), 100, 160)
    right = instance_masks.make_mask(np.ones((5, 5)), (0, 20, 40, 80), 100, 160).shift(60, 0)
    whole = instance_masks.draw(instance_masks.join([left, right]), IMAGE)
    rows, columns = np.nonzero(whole)
    assert (columns.min(), columns.max() + 1) == (20, 100)
    assert whole[rows.min() : rows.max() + 1, 20:100].all()
    polygons = instance_masks.find_polygons(instance_masks.join([left, right]))
    assert (rasterise(polygons) == whole).mean() > 0.99
