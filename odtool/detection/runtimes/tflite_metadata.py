"""TFLite Metadata of files that others wrote: how an image's pixels become the input.

Numbers of fields and members are those of metadata_schema.fbs (tensorflow/tflite-support,
tensorflow_lite_support/metadata).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, TypeAlias

import flatbuffers
from flatbuffers.number_types import Float32Flags, Uint8Flags
from flatbuffers.table import Table

from odtool.errors import DataError

NAME = b"TFLITE_METADATA"
_SUBGRAPHS, _INPUTS, _PROCESSING = 3, 2, 4  # ModelMetadata, SubGraphMetadata, TensorMetadata
_KIND, _OPTIONS, _NORMALISATION = 0, 1, 1  # ProcessUnit: type and value of the union, the type of NormalizationOptions
_MEAN, _DEVIATION = 0, 1

Colour: TypeAlias = tuple[float, float, float]


def read_normalisation(content: bytes, source: str) -> tuple[Colour, Colour] | None:
    """Mean and deviation of the channels, by which a model's input is made of bytes; None where it does not say.

    Args:
        content: the TFLite file.
        source: its name, for errors.

    Raises:
        DataError: the metadata are damaged.
    """
    try:
        metadata = _find_metadata(content)
        for unit in _read_units(metadata) if metadata else ():
            place = _read_offset(unit, _OPTIONS)
            if place and _find_kind(unit) == _NORMALISATION:
                options = Table(unit.Bytes, unit.Indirect(place))
                return _read_colour(options, _MEAN, 0.0), _read_colour(options, _DEVIATION, 1.0)
    except (struct.error, IndexError, TypeError, ValueError) as error:
        raise DataError(f"{source}: its TFLite metadata is damaged: {error}", "Export the model again.") from None
    return None


def _find_metadata(content: bytes) -> bytes:
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAsModel(content, 0)
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == NAME:
            return bytes(model.Buffers(entry.Buffer()).DataAsNumpy())
    return b""


def _read_units(metadata: bytes) -> Iterator[Any]:
    """The steps in which the first input is made."""
    root = Table(metadata, flatbuffers.encode.Get(flatbuffers.packer.uoffset, metadata, 0))
    for graph in _read_tables(root, _SUBGRAPHS):
        for tensor in _read_tables(graph, _INPUTS):
            yield from _read_tables(tensor, _PROCESSING)
            return


def _find_kind(unit: Any) -> int:
    place = _read_offset(unit, _KIND)
    return int(unit.Get(Uint8Flags, place)) if place else 0


def _read_offset(table: Any, number: int) -> int:
    """Where a field's value lies; 0 where it is not there."""
    offset = int(table.Offset(4 + 2 * number))
    return int(table.Pos) + offset if offset else 0


def _read_tables(table: Any, number: int) -> Iterator[Any]:
    if not (offset := table.Offset(4 + 2 * number)):
        return
    start = table.Vector(offset)
    for index in range(table.VectorLen(offset)):
        yield Table(table.Bytes, table.Indirect(start + 4 * index))


def _read_colour(options: Any, number: int, usual: float) -> Colour:
    """A value for each channel, or one for all of them."""
    offset = options.Offset(4 + 2 * number)
    count = options.VectorLen(offset) if offset else 0
    start = options.Vector(offset) if count else 0
    values = [float(options.Get(Float32Flags, start + 4 * index)) for index in range(count)] or [usual]
    red, green, blue = values * 3 if len(values) == 1 else values
    return red, green, blue
