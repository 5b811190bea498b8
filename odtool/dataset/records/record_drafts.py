"""Drafts: the records of images as bytes, made when an image is checked but for what only the whole set decides."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import Any

from odtool.dataset.images import keypoints
from odtool.dataset.pickling import by_position
from odtool.dataset.records.checked_image import CheckedImage
from odtool.dataset.records.features import (
    encode_byte_string,
    encode_byte_strings,
    encode_floats,
    encode_ints,
    encode_opening,
    encode_texts,
    encode_utf8,
    encode_varint,
)
from odtool.dataset.types import Extent, ObjectAnnotation

REPETITION_KEY = "odtool/repetition"
"""A key of our own that no other tool can mean: 1 for the second record of an image, 2 for the third."""
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
class RecordDraft:
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


def draft_record(checked: CheckedImage, mask_pngs: Sequence[bytes] | None = None) -> RecordDraft:
    """The record of an image with the keys that the API's decoder and converters know.

    `mask_pngs` are the objects' masks as PNGs, where masks are written.

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
        encode_byte_string(b"image/filename", encode_utf8(image.name)),
        encode_byte_string(b"image/source_id", encode_utf8(source_id)),
        _encode_image_features(header.format if header.written_as_is else "png", header.width, header.height),
        encode_floats(
            _OF_BOXES,
            (
                [item.box.area if item.area is None else item.area for item in objects],
                [box.xmax / width for box in boxes],
                [box.xmin / width for box in boxes],
                [box.ymax / height for box in boxes],
                [box.ymin / height for box in boxes],
            ),
        ),
        encode_texts(b"image/object/class/text", labels),
        _encode_object_features(tuple(zip(*map(_FLAGS_AND_VIEW, objects), strict=True))),
    ]
    if any(item.weight is not None for item in objects):
        weights = [1.0 if item.weight is None else item.weight for item in objects]
        pieces.append(encode_floats((b"image/object/weight",), (weights,)))
    if any(item.keypoints for item in objects):
        pieces.append(encode_keypoints(objects, width, height))
    if mask_pngs is not None:
        pieces.append(encode_byte_strings(b"image/object/mask", mask_pngs))
    size = header.width, header.height
    return RecordDraft(str(image.path), image.extent, header.bytes, size, source_id, labels, b"".join(pieces))


# What many images share is made once.


@lru_cache(maxsize=1024)
def _encode_image_features(format_name: str, width: int, height: int) -> bytes:
    sides = encode_ints(b"image/height", (height,)) + encode_ints(b"image/width", (width,))
    return sides + encode_texts(b"image/format", (format_name,))


@lru_cache(maxsize=1024)
def _encode_object_features(columns: tuple[tuple[Any, ...], ...]) -> bytes:
    """The objects' flags and views, column by column; no columns without objects."""
    difficult, group_of, is_crowd, occluded, truncated, view = columns or ((),) * 6
    return b"".join(
        [
            encode_ints(b"image/object/difficult", difficult),
            encode_ints(b"image/object/group_of", group_of),
            encode_ints(b"image/object/is_crowd", is_crowd),
            encode_ints(b"image/object/occluded", occluded),
            encode_ints(b"image/object/truncated", truncated),
            encode_texts(b"image/object/view", view),
        ]
    )


def encode_keypoints(objects: Sequence[ObjectAnnotation], width: float, height: float) -> bytes:
    """The features of the objects' keypoints, in the order of the objects and as many for each.

    The keys are those of data_decoders/tf_example_decoder.py and dataset_tools/create_coco_tf_record.py.
    """
    names = [point.name for point in max((item.keypoints for item in objects), key=len)]
    rows = [keypoints.fill_missing(item.keypoints, names) for item in objects]
    points = list(chain.from_iterable(rows))
    key = b"image/object/keypoint/"
    pieces = [
        encode_floats(
            (key + b"x", key + b"y"), ([point.x / width for point in points], [point.y / height for point in points])
        ),
        encode_ints(key + b"visibility", tuple([point.visibility for point in points])),
        encode_ints(key + b"num", tuple([sum(1 for point in row if point.visibility) for row in rows])),
    ]
    if any(point.name for point in points):
        pieces.append(encode_byte_strings(key + b"text", [encode_utf8(point.name) for point in points]))
    return b"".join(pieces)


def complete_record(
    draft: RecordDraft, image_bytes: bytes, classes: Mapping[str, int], *, repetition: int = 0
) -> tuple[bytes, bytes, bytes]:
    """A serialized tf.train.Example: what comes before the image's bytes, these, and what comes after.

    In three pieces, so that the image is not copied. Where an image is written more than once, the further records say
    which repetition they are; the API's decoder passes over that key.
    """
    before = encode_opening(b"image/encoded", len(image_bytes))
    checksum = hashlib.sha256(image_bytes).hexdigest().encode()
    numbers = tuple([classes[label] for label in draft.labels])
    after = (
        draft.features
        + encode_byte_string(b"image/key/sha256", checksum)
        + encode_ints(b"image/object/class/label", numbers)
    )
    if repetition:
        after += encode_ints(REPETITION_KEY.encode(), (repetition,))
    # Example.features is field 1.
    return b"\x0a" + encode_varint(len(before) + len(image_bytes) + len(after)) + before, image_bytes, after
