"""Figures of images and their boxes: counts by class and histograms in fixed bins, gathered one image at a time."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass

from odtool.dataset.records.checked_image import CheckedImage
from odtool.dataset.splits import SPLITS

_SIDES = (4, 8, 16, 32, 64, 96, 128, 256, 512, 1024)
"""Edges in pixels; 32 and 96 part small, medium and large in COCO's evaluation."""
_AREAS = (32**2, 96**2)
"""Edges of COCO's small, medium and large boxes, in square pixels."""
_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7)
"""Edges as a share of the image's side."""
_RATIOS = (1 / 5, 1 / 3, 1 / 2, 2 / 3, 4 / 5, 5 / 4, 3 / 2, 2, 3, 5)
"""Edges of width over height, the same on both sides of a square."""
_RATIO_NAMES = (
    "<1:5", "1:5", "1:3", "1:2", "2:3", "1:1", "3:2", "2:1", "3:1", "5:1", ">5:1",
)  # fmt: skip
_COUNTS = (1, 2, 3, 4, 6, 11, 21, 51, 101)
"""Edges in objects an image; the API reads 100 by default."""
GRID = 20
"""Cells in each direction of the map of box widths and heights."""


@dataclass(frozen=True)
class Histogram:
    """Counts by bin, bins in order."""

    bins: dict[str, int]
    """Counts by the bin's name; bins that nothing fell into are there too."""


@dataclass(frozen=True)
class ClassFigures:
    """How often one class is there."""

    name: str
    objects: int
    share: float
    """Of all objects, 0 to 1."""
    images: int
    splits: dict[str, int]
    """Images in each of the data set's own splits; under '' where an image has none."""


@dataclass(frozen=True)
class SplitFigures:
    """What one of the data set's own splits is made of."""

    images: int
    objects: int
    without_objects: int
    classes: int
    """Classes that are in it."""
    small: float
    """Share of its boxes below 32 x 32 pixels, as COCO's evaluation parts them; 0 without boxes."""
    medium: float
    """Share of its boxes from there up to 96 x 96 pixels."""
    large: float


@dataclass(frozen=True)
class Figures:
    """What a data set is made of."""

    images: int
    objects: int
    without_objects: int
    bytes: int
    """Of the image files."""
    classes: tuple[ClassFigures, ...]
    """The most frequent first."""
    splits: dict[str, int]
    """Images in each of the data set's own splits; empty where it has none."""
    split_figures: dict[str, SplitFigures]
    """The same splits with more figures."""
    formats: dict[str, int]
    """Images by file format, the most frequent first."""
    image_sizes: dict[tuple[int, int], int]
    """Images by width and height, the most frequent first."""
    box_sides: Histogram
    """Square root of the box's area, in pixels."""
    box_shares: Histogram
    """Square root of the box's share of the image's area."""
    aspect_ratios: Histogram
    """Width over height."""
    objects_per_image: Histogram
    most_objects: int
    box_map: tuple[tuple[int, ...], ...]
    """Boxes by height (rows) and width (columns) as shares of the image's, in GRID steps."""
    centre_map: tuple[tuple[int, ...], ...]
    """Boxes by where in the image their centres lie, in GRID steps from the top (rows) and from the left (columns)."""


class FiguresCollector:
    """Counts images one by one; its memory grows with classes and distinct image sizes only."""

    def __init__(self) -> None:
        self._objects: Counter[str] = Counter()
        self._images: dict[str, Counter[str]] = {}
        self._splits: Counter[str] = Counter()
        self._formats: Counter[str] = Counter()
        self._sizes: Counter[tuple[int, int]] = Counter()
        self._sides = [0] * (len(_SIDES) + 1)
        self._shares = [0] * (len(_SHARES) + 1)
        self._ratios = [0] * (len(_RATIOS) + 1)
        self._counts = [0] * (len(_COUNTS) + 1)
        self._map = [[0] * GRID for _ in range(GRID)]
        self._centres = [[0] * GRID for _ in range(GRID)]
        self._boxes = {split: [0, 0, 0] for split in ("", *SPLITS)}
        """Small, medium and large boxes by split."""
        self._empty: Counter[str] = Counter()
        self._bytes = self._most = 0

    def add(self, checked: CheckedImage, own_split: str | None) -> None:
        """One image, and the split that the whole set puts it in, which another annotation of it may say."""
        image, header = checked.image, checked.header
        self._bytes += header.bytes
        self._sizes[header.width, header.height] += 1
        self._formats[header.format] += 1
        split = own_split or ""
        self._splits[split] += 1
        for label in {item.label for item in image.objects}:
            self._images.setdefault(label, Counter())[split] += 1
        self._counts[bisect_right(_COUNTS, len(image.objects))] += 1
        self._most = max(self._most, len(image.objects))
        self._empty[split] += not image.objects
        sizes = self._boxes[split]
        for item in image.objects:
            self._objects[item.label] += 1
            width, height = item.box.xmax - item.box.xmin, item.box.ymax - item.box.ymin
            side = math.sqrt(width * height)
            self._sides[bisect_right(_SIDES, side)] += 1
            self._shares[bisect_right(_SHARES, side / math.sqrt(header.width * header.height))] += 1
            self._ratios[bisect_right(_RATIOS, width / height)] += 1
            self._map[_find_cell(height / header.height)][_find_cell(width / header.width)] += 1
            across = (item.box.xmin + item.box.xmax) / (2 * header.width)
            down = (item.box.ymin + item.box.ymax) / (2 * header.height)
            self._centres[_find_cell(down)][_find_cell(across)] += 1
            sizes[bisect_right(_AREAS, width * height)] += 1

    def finish(self) -> Figures:
        total = self._objects.total()
        return Figures(
            images=self._sizes.total(),
            objects=total,
            without_objects=self._counts[0],
            bytes=self._bytes,
            classes=tuple(self._make_class_figures(name, total) for name in self._sort_classes()),
            splits={split: self._splits[split] for split in SPLITS if self._splits[split]},
            split_figures={split: self._make_split_figures(split) for split in SPLITS if self._splits[split]},
            formats=dict(self._formats.most_common()),
            image_sizes=dict(sorted(self._sizes.items(), key=lambda item: (-item[1], item[0]))),
            box_sides=_make_histogram(_name_bins([str(edge) for edge in _SIDES]), self._sides),
            box_shares=_make_histogram(_name_bins([f"{edge:.0%}" for edge in _SHARES]), self._shares),
            aspect_ratios=_make_histogram(_RATIO_NAMES, self._ratios),
            objects_per_image=_make_histogram(_name_counts(), self._counts),
            most_objects=self._most,
            box_map=tuple(map(tuple, self._map)),
            centre_map=tuple(map(tuple, self._centres)),
        )

    def _make_split_figures(self, split: str) -> SplitFigures:
        counts = self._boxes[split]
        shares = [count / max(sum(counts), 1) for count in counts]
        classes = sum(bool(images[split]) for images in self._images.values())
        return SplitFigures(self._splits[split], sum(counts), self._empty[split], classes, *shares)

    def _sort_classes(self) -> list[str]:
        return sorted(self._objects, key=lambda name: (-self._objects[name], name))

    def _make_class_figures(self, name: str, total: int) -> ClassFigures:
        objects, images = self._objects[name], self._images[name]
        return ClassFigures(name, objects, objects / total, images.total(), dict(images))


def _find_cell(share: float) -> int:
    return min(int(share * GRID), GRID - 1)


def _make_histogram(names: tuple[str, ...] | list[str], counts: list[int]) -> Histogram:
    return Histogram(dict(zip(names, counts, strict=True)))


def _name_bins(edges: list[str]) -> list[str]:
    """Bins by their lower edge, the first by its upper one."""
    return [f"<{edges[0]}", *edges[:-1], f"≥{edges[-1]}"]


def _name_counts() -> list[str]:
    above = [*_COUNTS[1:], None]
    spans = [
        f">{low - 1}" if high is None else str(low) if high == low + 1 else f"{low}-{high - 1}"
        for low, high in zip(_COUNTS, above, strict=True)
    ]
    return ["0", *spans]
