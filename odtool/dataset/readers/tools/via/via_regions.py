"""VIA's regions: their shapes as boxes, and which of their attributes holds the class."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from odtool.dataset.images import masks
from odtool.dataset.readers.common import shapes, values
from odtool.dataset.readers.common.faults import CollectedProblems
from odtool.dataset.readers.common.image_lists import ImageEntry, Listing, list_spellings
from odtool.dataset.readers.common.streams.overflow import LongList, ObjectGroups, Overflow, weigh, weigh_outline
from odtool.dataset.types import Box, ObjectAnnotation, Outline

_NAMES = ("class", "label", "classname", "classlabel", "category", "name", "type", "object", "objecttype", "objectname")
"""Attributes that are likely to hold the class, the likeliest first, in lower case and without separators."""
NUMBERS = ("x", "y", "width", "height", "cx", "cy", "r", "rx", "ry", "all_points_x", "all_points_y")
"""Fields of shapes that should be numbers."""
_ONLY_CLASS = "object"
"""What objects are called where the whole file names no class, as many sets of one class do."""
_MOST_VALUES = 10_000
"""Different values of an attribute that are told apart: what has more, such as a note, is no class."""
_SHARE = 0.5
"""An attribute with a telling name is the class if it has at least this share of the values of the most used one."""


@dataclass(frozen=True)
class Region:
    """One region with a box."""

    box: Box
    attributes: dict[str, Any]
    """Values by name: text, or for check boxes {value: true}."""
    where: str
    """For the details of problems."""
    outline: Outline | None = None


@dataclass(frozen=True)
class ViaImage:
    """One image and its regions."""

    name: str
    regions: tuple[Region, ...]
    bytes: int | None = None
    """Size of its file."""


def weigh_region(region: Region) -> int:
    """How many objects without outline take as much memory: attributes about as much as a box and its class."""
    return 1 + weigh_outline(region.outline)


class ScatteredImages:
    """Images whose regions stand in a file in any order, in the order in which the images are added first."""

    def __init__(self, overflow: Overflow) -> None:
        self._numbers: dict[str, int] = {}
        self._sizes = array("q")
        self._mentions: dict[str, int | None] = {}
        """Of images that are not added yet."""
        self._regions = ObjectGroups[Region](overflow, weigh_region)

    def mention(self, name: str, file_size: int | None) -> None:
        """Takes note of the bytes of an image's file, which need not be added: the first mention counts."""
        if name not in self._numbers:
            self._mentions.setdefault(name, file_size)

    def add(self, name: str, region: Region | None) -> None:
        """Adds an image, with a region or without."""
        number = self._numbers.setdefault(name, len(self._numbers))
        if number == len(self._sizes):
            self._sizes.append(self._mentions.pop(name, None) or 0)
        if region is not None:
            self._regions.add(number, region)

    def __iter__(self) -> Iterator[ViaImage]:
        groups = chain(self._regions, [(-1, list[Region]())])
        place, regions = next(groups)
        for name, number in self._numbers.items():
            own = tuple[Region, ...]()
            if number == place:
                own = tuple(regions)
                place, regions = next(groups)
            yield ViaImage(name, own, self._sizes[number] or None)


def parse_box(shape: Any) -> tuple[Box | None, str, str]:
    """The box of VIA's shape_attributes; else None, the kind of problem and its detail."""
    name = shape.get("name") if isinstance(shape, dict) else None
    if name == "point":
        return None, "shape_skipped", "is a point"
    box = None
    if name == "rect" and (rect := values.parse_fields(shape, "x", "y", "width", "height")):
        box = Box(rect[0], rect[1], rect[0] + rect[2], rect[1] + rect[3])
    elif name == "circle" and (circle := values.parse_fields(shape, "cx", "cy", "r")):
        box = shapes.enclose_ellipse((circle[0], circle[1]), (circle[2], circle[2]))
    elif name == "ellipse" and (ellipse := values.parse_fields(shape, "cx", "cy", "rx", "ry")):
        # Version 2 turns ellipses by theta, in radians.
        turn = math.degrees(values.parse_number(shape.get("theta")) or 0.0)
        box = shapes.enclose_ellipse((ellipse[0], ellipse[1]), (ellipse[2], ellipse[3]), turn)
    elif name in ("polygon", "polyline"):
        xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
        if isinstance(xs, list) and isinstance(ys, list) and len(xs) == len(ys):
            corners = values.parse_points([list(pair) for pair in zip(xs, ys, strict=True)])
            box = shapes.enclose_points(corners) if corners else None
    return box, "box_missing", f"has no shape with a box: {str(shape)[:80]}"


def parse_outline(shape: Any) -> Outline | None:
    """The outline of VIA's shape_attributes where it is a polygon."""
    if not isinstance(shape, dict) or shape.get("name") not in ("polygon", "polyline"):
        return None
    xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
    if not isinstance(xs, list) or not isinstance(ys, list):
        return None
    corners = values.parse_points([list(pair) for pair in zip(xs, ys, strict=False)])
    return masks.make_polygon(corners) if corners else None


def make_listing(images: Iterable[ViaImage], problems: CollectedProblems, overflow: Overflow) -> Listing:
    """The images with the class of each region under the attribute that evidently holds it.

    Args:
        images: asked for more than once.
        problems: those met so far, to which others are added.
        overflow: for what is not in memory of the images.
    """
    class_attribute = _choose_class_attribute((region for image in images for region in image.regions), problems)
    entries = LongList[ImageEntry](overflow)
    for image in images:
        objects = tuple(_label_regions(image.regions, class_attribute, problems))
        entry = ImageEntry(list_spellings(image.name) or (image.name,), objects, bytes=image.bytes)
        entries.append(entry, 1 + sum(map(weigh, objects)))
    return Listing(entries, problems)


def _label_regions(
    regions: Iterable[Region], class_attribute: str | None, problems: CollectedProblems
) -> Iterator[ObjectAnnotation]:
    for region in regions:
        labels = _list_texts(region.attributes.get(class_attribute)) if class_attribute else [_ONLY_CLASS]
        if not labels:
            problems.append(("label_missing", f"{region.where} has no '{class_attribute}'"))
        elif len(labels) > 1:
            problems.append(("labels_several", f"{region.where} has {', '.join(labels)} as '{class_attribute}'"))
        yield from (ObjectAnnotation(label, region.box, outline=region.outline) for label in labels)


def _choose_class_attribute(regions: Iterable[Region], problems: CollectedProblems) -> str | None:
    """The attribute with a telling name if it is used enough, else the most used; of equals that with fewest values."""
    use_counts: Counter[str] = Counter()
    values_by_name: dict[str, set[str]] = {}
    count = 0
    for region in regions:
        count += 1
        for name, value in region.attributes.items():
            if texts := _list_texts(value):
                use_counts[name] += 1
                own_values = values_by_name.setdefault(name, set())
                if len(own_values) < _MOST_VALUES:
                    own_values.update(texts)
    if not use_counts:
        if count:
            problems.append(("class_absent", f"none of {count} regions names a class"))
        return None
    maximum = max(use_counts.values())
    candidates = [name for name in use_counts if _normalise(name) in _NAMES and use_counts[name] >= maximum * _SHARE]
    ranked = sorted(use_counts, key=lambda name: (-use_counts[name], len(values_by_name[name]), name))
    choice = min(candidates, key=lambda name: (_NAMES.index(_normalise(name)), name)) if candidates else ranked[0]
    if len(use_counts) > 1:
        other_names = ", ".join(f"'{name}'" for name in ranked if name != choice)
        problems.append(("class_attribute", f"'{choice}' holds the class, not {other_names}"))
    return choice


def _normalise(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _list_texts(value: Any) -> list[str]:
    """The values of an attribute: a text, a number, or the checked ones of a group of check boxes."""
    if isinstance(value, dict):
        return [name.strip() for name, checked in value.items() if checked and name.strip()]
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return [text] if (text := str(value).strip()) else []
    return []
