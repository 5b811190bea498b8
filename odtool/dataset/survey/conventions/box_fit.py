"""Whether boxes lie inside their image, far outside it, or upside down, under one reading of their numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from odtool.dataset.dialects import Layout, recover_numbers
from odtool.dataset.types import AnnotatedImage, Box, Unit

_SLACK_PIXELS, _SLACK_SHARE = 1.0, 0.001
"""A box may stick out by a pixel and a thousandth of the side: some tools count pixels from 1, others round."""
_FAR = 0.1
"""Of the image's side. A box drawn by hand may stick out, but seldom by more."""
_NOISE = 1e-6
"""What recovering numbers of boxes adds to them, and more."""


@dataclass
class Fit:
    """How many boxes do not fit their images under one reading, and fit them under another."""

    misfits: int = 0
    far: int = 0
    """Those of them that are inverted, smaller than a pixel, or stick out by more than a slip."""
    reach: float = 0.0
    """The share of their images' sides that the boxes reach across, at most."""


def is_whole(image: AnnotatedImage, layout: Layout) -> bool:
    """Whether no number of its boxes, read as documented, has more behind the point than the half of a pixel."""
    numbers = [number for item in image.objects for number in recover_numbers(item.box, layout)]
    return all(math.isfinite(2 * number) and abs(math.remainder(2 * number, 1)) < _NOISE for number in numbers)


class Place(NamedTuple):
    """How one box lies in its image under one reading."""

    fits: bool
    is_far: bool
    reach: float


def find_best_places(image: AnnotatedImage, sizes: Sequence[tuple[int, int]]) -> list[Place]:
    """Those in the size that most of the boxes fit."""
    return max(([_locate(item.box, image.unit, size) for item in image.objects] for size in sizes), key=_count_fitting)


def _count_fitting(places: Sequence[Place]) -> int:
    return sum(place.fits for place in places)


def _locate(box: Box, unit: Unit, size: tuple[int, int]) -> Place:
    width, height = size
    across, down = size if unit == "fraction" else (1, 1)
    left, top, right, bottom = box.xmin * across, box.ymin * down, box.xmax * across, box.ymax * down
    out_x, out_y = max(-left, right - width), max(-top, bottom - height)
    # Written so that what is not a number is far off.
    is_solid = right >= left and bottom >= top and max(right - left, bottom - top) >= 1
    is_far = not (is_solid and out_x <= width * _FAR and out_y <= height * _FAR)
    is_inside = out_x <= _SLACK_PIXELS + width * _SLACK_SHARE and out_y <= _SLACK_PIXELS + height * _SLACK_SHARE
    fits = not is_far and is_inside and right > left and bottom > top
    return Place(fits, is_far, max(right / width, bottom / height))
