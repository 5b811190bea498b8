"""Shapes as boxes."""

from __future__ import annotations

import math

import pytest

from odtool.dataset.readers.common import shapes
from odtool.dataset.types import Box


def test_a_rectangle_turns_about_its_top_left_corner() -> None:
    box = shapes.enclose_rotated(10, 10, 4, 2, 90)
    assert (box.xmin, box.ymin, box.xmax, box.ymax) == pytest.approx((8, 10, 10, 14))
    assert shapes.enclose_rotated(1, 2, 3, 4, 360) == Box(1, 2, 4, 6)


def test_an_ellipse_that_is_turned_by_a_right_angle_swaps_its_radii() -> None:
    box = shapes.enclose_ellipse((10, 10), (4, 2), 90)
    assert (box.xmin, box.ymin, box.xmax, box.ymax) == pytest.approx((8, 6, 12, 14))


def test_what_is_not_finite_gives_no_finite_box() -> None:
    assert math.isnan(shapes.enclose_rotated(0, 0, 1, 1, math.inf).xmin)
    assert math.isnan(shapes.enclose_points([(math.nan, 0), (1, 1)]).xmin)
