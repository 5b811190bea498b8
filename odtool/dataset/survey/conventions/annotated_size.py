"""Images of another size than their annotations declare: whether the boxes have to be scaled.

An image that was resized after it was annotated keeps the size and the boxes that it was annotated with, and what the
two say together is right: the API's own create_pascal_tf_record.py divides by the annotated size. But some writers
declare a size that was never true, over boxes in pixels of the file. What lies outside one of the two sizes and inside
the other decides, for its image and, where most such images agree, for those of its source that leave it open. Where no
box decides, an image of the same shape was resized, and of one of another shape nobody knows what was done to it: its
boxes are taken as pixels of the file, and it is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, TypeAlias

from odtool.dataset.dialects import stretch
from odtool.dataset.images import masks
from odtool.dataset.types import AnnotatedImage, ObjectAnnotation, Problem

Basis: TypeAlias = Literal["file", "annotation"]
"""Whose pixels the boxes are in."""
Shape: TypeAlias = Literal["same", "other"]
_ROUNDING, _ROUNDING_SHARE = 2, 0.05
"""Pixels, and share of the side, by which sizes differ without any resizing: nobody resizes by a pixel, but tools
count from 0 or round."""
_SLACK = 1.0
"""Pixels by which a box may stick out of the size that it was drawn in."""
_SMALLER = 1.5
"""Times that a declared size is larger than the file, from which on boxes that were drawn in it would show it."""
_MANY = 20
"""Boxes of which one at least would lie in the outer part of the declared size."""
_MOST = 0.9
"""Share of the deciding images that must agree before images of another shape follow them."""


@dataclass
class SizeVotes:
    """What the boxes of a source's images of one shape say."""

    annotation: int = 0
    """Images with a box that only the annotated size explains."""
    file: int = 0
    """Images with a box that only the file's size explains."""
    shrunk: int = 0
    """Boxes that leave it open, of images that are clearly smaller than declared."""

    def add(self, other: SizeVotes) -> None:
        self.annotation += other.annotation
        self.file += other.file
        self.shrunk += other.shrunk


Key: TypeAlias = tuple[str, Shape]
"""Source and shape."""
_USUAL: dict[Shape, Basis] = {"same": "annotation", "other": "file"}


class Placed(NamedTuple):
    """An image whose boxes are in pixels of the file."""

    image: AnnotatedImage
    size: tuple[int, int]
    """The width and height that they were in."""
    problem: Problem | None = None
    vote: tuple[Key, SizeVotes] | None = None


@dataclass(frozen=True)
class AnnotatedSizes:
    """How declared sizes are taken in one pass."""

    wanted: Basis | None = None
    """What the user says (--annotated-size)."""
    chosen: dict[Key, Basis] = field(default_factory=dict)
    """What most boxes of a source say, where it is not the usual."""

    def place(self, image: AnnotatedImage, size: tuple[int, int], source: str) -> Placed:
        """The image in pixels of its file's size, and what its boxes say of others."""
        declared = image.declared_size
        if declared is None or declared == size:
            return Placed(image, size)
        if self.wanted == "file":
            return Placed(replace(image, declared_size=None), size)
        if self.wanted is None and _is_rounded(declared, size):
            return Placed(image, size)
        key: Key = source, "same" if has_same_shape(declared, size) else "other"
        vote = _vote(image, size, declared)
        basis = self.wanted or _decide(vote) or self.chosen.get(key) or _USUAL[key[1]]
        if basis == "file":
            return Placed(image, size, None, (key, vote))
        detail = f"annotated as {declared[0]}x{declared[1]}, {image.name} is {size[0]}x{size[1]}"
        problem = Problem("size_scaled", image.source, detail)
        return Placed(_scale(image, declared, size), declared, problem, (key, vote))


def reconsider(used: AnnotatedSizes, votes: Mapping[Key, SizeVotes]) -> AnnotatedSizes | None:
    """How the next pass has to take declared sizes; None where the pass that was made is right."""
    if used.wanted is not None:
        return None
    chosen = {key: basis for key, vote in votes.items() if (basis := _choose(key[1], vote)) != _USUAL[key[1]]}
    return None if chosen == used.chosen else AnnotatedSizes(None, chosen)


def _choose(shape: Shape, votes: SizeVotes) -> Basis:
    deciding = votes.annotation + votes.file
    if not deciding:
        return "file" if votes.shrunk >= _MANY else _USUAL[shape]
    if shape == "same":
        return "annotation" if votes.annotation >= votes.file else "file"
    return "annotation" if votes.annotation >= _MOST * deciding else "file"


def _is_rounded(declared: tuple[int, int], size: tuple[int, int]) -> bool:
    return all(abs(a - b) <= min(_ROUNDING, _ROUNDING_SHARE * b) for a, b in zip(declared, size, strict=True))


def has_same_shape(declared: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether one is the other made larger or smaller, with a side rounded to whole pixels."""
    (from_width, from_height), (width, height) = declared, size
    by_width, by_height = from_height * width / from_width, from_width * height / from_height
    return abs(by_width - height) <= 1 or abs(by_height - width) <= 1


def _vote(image: AnnotatedImage, size: tuple[int, int], declared: tuple[int, int]) -> SizeVotes:
    boxes = [item.box for item in image.objects]
    if not boxes or image.unit == "fraction":
        return SizeVotes()
    right = max(max(box.xmin, box.xmax) for box in boxes) - _SLACK
    bottom = max(max(box.ymin, box.ymax) for box in boxes) - _SLACK
    in_file = right <= size[0] and bottom <= size[1]
    in_declared = right <= declared[0] and bottom <= declared[1]
    if in_file != in_declared:
        return SizeVotes(annotation=in_declared, file=in_file)
    is_shrunk = in_file and declared[0] >= _SMALLER * size[0] and declared[1] >= _SMALLER * size[1]
    return SizeVotes(shrunk=len(boxes) if is_shrunk else 0)


def _decide(vote: SizeVotes) -> Basis | None:
    if vote.annotation or vote.file:
        return "annotation" if vote.annotation else "file"
    return None


def _scale(image: AnnotatedImage, declared: tuple[int, int], size: tuple[int, int]) -> AnnotatedImage:
    """Fractions need nothing but the new size: they are of either."""
    if image.unit == "fraction":
        return replace(image, declared_size=size)
    across, down = size[0] / declared[0], size[1] / declared[1]
    objects = tuple(_scale_object(item, across, down, declared, size) for item in image.objects)
    return replace(image, objects=objects, declared_size=size)


def _scale_object(
    item: ObjectAnnotation, across: float, down: float, declared: tuple[int, int], size: tuple[int, int]
) -> ObjectAnnotation:
    scaled = stretch(item, across, down)
    outline = scaled.outline
    if outline is None or outline.polygons or (outline.width, outline.height) != declared:
        return scaled
    return replace(scaled, outline=masks.resize_runs(outline, size))
