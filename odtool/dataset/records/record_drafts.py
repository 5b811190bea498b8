"""Drafts: the records of images as bytes, made when an image is checked but for what only the whole set decides."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from odtool.dataset.images import keypoints
from odtool.dataset.pickling import by_position
from odtool.dataset.records.features import byte_string, byte_strings, floats, ints, opening, texts, utf8, varint
from odtool.dataset.types import Extent

if TYPE_CHECKING:
    from odtool.dataset.records.record_writer import CheckedImage

_OF_BOXES = (
    b"image/object/area",
    b"image/object/bbox/xmax",
    b"image/object/bbox/xmin",
    b"image/object/bbox/ymax",
    b"image/object/bbox/ymin",
)
_FLAGS_AND_VIEW = attrgetter("difficult", "group_of", "is_crowd", "occluded", "truncated", "view")


@by_position
@dataclass(frozen=True, slots=True)
class Draft:
    """A record but for the image's bytes, and for the classes' numbers, which only the whole set decides."""

    path: str
    """The image file, as text: this is read once for each image, and pathlib is slow."""
    extent: Extent | None
    length: int
    """Bytes of the encoded image as it was checked."""
    size: tuple[int, int]
    """Width and height in pixels."""
    source_id: str
    labels: tuple[str, ...]
    """The class of each object."""
    features: bytes
    """All other features, serialized."""


def draft(checked: CheckedImage, drawn: Sequence[bytes] | None = None) -> Draft:
    """The record of an image with the keys that the API's decoder and converters know.

    `drawn` are the objects' masks as PNGs, where masks are written.

    The keys are those of object_detection/data_decoders/tf_example_decoder.py and
    dataset_tools/create_pascal_tf_record.py; `area` is in square pixels, as COCO's evaluation has it.
    """
    image, header = checked.image, checked.header
    width, height = float(header.width), float(header.height)
    objects = image.objects
    boxes = [item.box for item in objects]
    labels = tuple([item.label for item in objects])
    source_id = image.source_id or image.name
    pieces = [
        byte_string(b"image/filename", utf8(image.name)),
        byte_string(b"image/source_id", utf8(source_id)),
        _of_image(header.format if header.written_as_is else "png", header.width, header.height),
        floats(
            _OF_BOXES,
            (
                [item.box.area if item.area is None else item.area for item in objects],
                [box.xmax / width for box in boxes],
                [box.xmin / width for box in boxes],
                [box.ymax / height for box in boxes],
                [box.ymin / height for box in boxes],
            ),
        ),
        texts(b"image/object/class/text", labels),
        _of_objects(tuple(zip(*map(_FLAGS_AND_VIEW, objects), strict=True))),
    ]
    if any(item.weight is not None for item in objects):
        weights = [1.0 if item.weight is None else item.weight for item in objects]
        pieces.append(floats((b"image/object/weight",), (weights,)))
    if any(item.keypoints for item in objects):
        pieces.append(keypoints.serialized(objects, width, height))
    if drawn is not None:
        pieces.append(byte_strings(b"image/object/mask", drawn))
    size = header.width, header.height
    return Draft(str(image.path), image.extent, header.bytes, size, source_id, labels, b"".join(pieces))


# What many images share is made once.


@lru_cache(maxsize=1024)
def _of_image(format_name: str, width: int, height: int) -> bytes:
    sides = ints(b"image/height", (height,)) + ints(b"image/width", (width,))
    return sides + texts(b"image/format", (format_name,))


@lru_cache(maxsize=1024)
def _of_objects(columns: tuple[tuple[Any, ...], ...]) -> bytes:
    """The objects' flags and views, column by column; no columns without objects."""
    difficult, group_of, is_crowd, occluded, truncated, view = columns or ((),) * 6
    return b"".join(
        [
            ints(b"image/object/difficult", difficult),
            ints(b"image/object/group_of", group_of),
            ints(b"image/object/is_crowd", is_crowd),
            ints(b"image/object/occluded", occluded),
            ints(b"image/object/truncated", truncated),
            texts(b"image/object/view", view),
        ]
    )


def example(made: Draft, encoded: bytes, classes: Mapping[str, int]) -> tuple[bytes, bytes, bytes]:
    """A serialized tf.train.Example: what comes before the image's bytes, these, and what comes after.

    In three pieces, so that the image is not copied.
    """
    before = opening(b"image/encoded", len(encoded))
    checksum = hashlib.sha256(encoded).hexdigest().encode()
    numbers = tuple([classes[label] for label in made.labels])
    after = made.features + byte_string(b"image/key/sha256", checksum) + ints(b"image/object/class/label", numbers)
    # Example.features is field 1.
    return b"\x0a" + varint(len(before) + len(encoded) + len(after)) + before, encoded, after
