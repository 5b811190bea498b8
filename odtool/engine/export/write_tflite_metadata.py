"""TFLite Metadata of an object detector: what its tensors mean, for the Task Library and its like.

Written field by field, as no library for it is among the dependencies. Numbers of fields and members are those of
metadata_schema.fbs, version 1.1.0 (tensorflow/tflite-support, tensorflow_lite_support/metadata); the fields used are
all of version 1.0.0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers

from odtool.detection.runtimes.model_description import NAME, ModelDescription

LABELS = "labels.txt"
IDENTIFIER = b"M001"
_OLDEST_PARSER = "1.0.0"
_DESCRIPTIONS, _TENSOR_VALUE_LABELS = 1, 3  # AssociatedFileType
_FEATURE, _IMAGE, _BOXES = 1, 2, 3  # ContentProperties
_NORMALISATION = 1  # ProcessUnitOptions
_RGB = 1  # ColorSpaceType
_BOUNDARIES, _RATIO = 1, 0  # BoundingBoxType, CoordinateType
_ORDER = (1, 0, 3, 2)
"""Where left, top, right and bottom stand in a box of the API: ymin, xmin, ymax, xmax."""

Builder = Any
"""flatbuffers.Builder."""
Put = Callable[[Builder], int]
"""Writes a part of the tree and gives its offset."""


@dataclass(frozen=True)
class _Table:
    """A table of the schema: values by the number of their field."""

    parts: dict[int, Put] = field(default_factory=dict)
    """Strings, lists and tables."""
    small: dict[int, int] = field(default_factory=dict)
    """Enums and the types of unions, a byte each."""
    numbers: dict[int, int] = field(default_factory=dict)
    """Of 32 bits."""

    def __call__(self, builder: Builder) -> int:
        # What a table refers to has to be written before it.
        offsets = {number: part(builder) for number, part in self.parts.items()}
        builder.StartObject(max([*offsets, *self.small, *self.numbers]) + 1)
        for number, offset in offsets.items():
            builder.PrependUOffsetTRelativeSlot(number, offset, 0)
        for number, value in self.numbers.items():
            builder.PrependInt32Slot(number, value, 0)
        for number, value in self.small.items():
            builder.PrependInt8Slot(number, value, 0)
        return int(builder.EndObject())


def build_metadata(description: ModelDescription, *, quantised: bool) -> bytes:
    """The flatbuffer that a TFLite file holds as its metadata TFLITE_METADATA.

    Args:
        quantised: whether the input is the image's bytes.
    """
    graph = _Table(
        {
            2: _list([_image_tensor(description, quantised=quantised)]),
            3: _list([_box_tensor(), _class_tensor(), _score_tensor(), _count_tensor()]),
        }
    )
    summary = f"Detects {', '.join(name for _, name in sorted(description.labels.items()))}."
    model = _Table(
        {
            0: _text(description.run),
            1: _text(f"{summary} Exported by odtool from {description.checkpoint} of run {description.run}."),
            2: _text(description.checkpoint),
            3: _list([graph]),
            6: _list([_file(NAME, "How odtool runs the model.", _DESCRIPTIONS)]),
            7: _text(_OLDEST_PARSER),
        }
    )
    builder = flatbuffers.Builder(1024)
    builder.Finish(model(builder), IDENTIFIER)
    return bytes(builder.Output())


def _image_tensor(description: ModelDescription, *, quantised: bool) -> _Table:
    mean, deviation = description.mean, description.deviation
    size = _Table(numbers={0: description.width or 0, 1: description.height or 0})
    lowest = [(0 - low) / by for low, by in zip(mean, deviation, strict=True)]
    highest = [(255 - low) / by for low, by in zip(mean, deviation, strict=True)]
    statistics = _Table({0: _floats([255.0] if quantised else highest), 1: _floats([0.0] if quantised else lowest)})
    normalisation = _Table({0: _floats(mean), 1: _floats(deviation)})
    sentences = {
        "stretch": "The image, scaled to the size of the input.",
        "pad": "The image, scaled with its aspect ratio kept, then padded with zeros on the right and below.",
        "none": "The image.",
    }
    return _Table(
        {
            0: _text("image"),
            1: _text(f"{sentences[description.resize]} RGB."),
            3: _Table({1: _Table({1: size}, small={0: _RGB})}, small={0: _IMAGE}),
            4: _list([_Table({1: normalisation}, small={0: _NORMALISATION})]),
            5: statistics,
        }
    )


def _box_tensor() -> _Table:
    boxes = _Table({0: _integers(_ORDER)}, small={1: _BOUNDARIES, 2: _RATIO})
    return _Table(
        {
            0: _text("location"),
            1: _text("Boxes as ymin, xmin, ymax, xmax, as fractions of the input."),
            3: _Table({1: boxes, 2: _dimension()}, small={0: _BOXES}),
        }
    )


def _class_tensor() -> _Table:
    return _Table(
        {
            0: _text("category"),
            1: _text("Classes, counted from 0."),
            3: _feature(_dimension()),
            6: _list([_file(LABELS, "One class per line.", _TENSOR_VALUE_LABELS)]),
        }
    )


def _score_tensor() -> _Table:
    return _Table({0: _text("score"), 1: _text("Scores, between 0 and 1."), 3: _feature(_dimension())})


def _count_tensor() -> _Table:
    return _Table(
        {0: _text("number of detections"), 1: _text("How many of the boxes are detections."), 3: _feature(None)}
    )


def _feature(dimensions: _Table | None) -> _Table:
    ranged: dict[int, Put] = {} if dimensions is None else {2: dimensions}
    return _Table({1: _empty, **ranged}, small={0: _FEATURE})


def _dimension() -> _Table:
    """ValueRange: the objects are along dimension 2, as the schema words it for boxes."""
    return _Table(numbers={0: 2, 1: 2})


def _file(name: str, text: str, kind: int) -> _Table:
    return _Table({0: _text(name), 1: _text(text)}, small={2: kind})


def _empty(builder: Builder) -> int:
    builder.StartObject(0)
    return int(builder.EndObject())


def _text(text: str) -> Put:
    return lambda builder: int(builder.CreateString(text))


def _list(items: Sequence[Put]) -> Put:
    def put(builder: Builder) -> int:
        offsets = [item(builder) for item in items]
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())

    return put


def _floats(values: Sequence[float]) -> Put:
    def put(builder: Builder) -> int:
        builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            builder.PrependFloat32(value)
        return int(builder.EndVector())

    return put


def _integers(values: Sequence[int]) -> Put:
    def put(builder: Builder) -> int:
        builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            builder.PrependUint32(value)
        return int(builder.EndVector())

    return put
