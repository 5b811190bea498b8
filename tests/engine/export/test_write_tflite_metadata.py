"""TFLite Metadata, read back field by field with flatbuffers alone."""

from __future__ import annotations

from typing import Any

import pytest
from flatbuffers import encode, number_types, packer
from flatbuffers.table import Table

from odtool.detection.runtimes.model_description import ModelDescription
from odtool.engine.export import write_tflite_metadata

DESCRIPTION = ModelDescription(
    run="birds",
    checkpoint="ckpt-300",
    labels={1: "owl", 2: "wren"},
    width=320,
    height=256,
    resize="stretch",
    mean=(127.5, 127.5, 127.5),
    deviation=(127.5, 127.5, 127.5),
)


def root(content: bytes) -> Table:
    return Table(content, encode.Get(packer.uoffset, content, 0))


def place(table: Table, field: int) -> int:
    """Of a field that is there."""
    offset = table.Offset(4 + 2 * field)
    assert offset, f"field {field} is not there"
    return int(table.Pos + offset)


def sub(table: Table, field: int) -> Table:
    return Table(table.Bytes, table.Indirect(place(table, field)))


def text(table: Table, field: int) -> str:
    return str(table.String(place(table, field)).decode())


def items(table: Table, field: int) -> list[Table]:
    offset = place(table, field) - table.Pos
    start = table.Vector(offset)
    return [Table(table.Bytes, table.Indirect(start + 4 * index)) for index in range(table.VectorLen(offset))]


def numbers(table: Table, field: int, kind: Any) -> list[float]:
    offset = place(table, field) - table.Pos
    start = table.Vector(offset)
    return [table.Get(kind, start + 4 * index) for index in range(table.VectorLen(offset))]


def byte(table: Table, field: int) -> int:
    offset = table.Offset(4 + 2 * field)
    return int(table.Get(number_types.Int8Flags, table.Pos + offset)) if offset else 0


def word(table: Table, field: int) -> int:
    return int(table.Get(number_types.Int32Flags, place(table, field)))


@pytest.fixture
def graph() -> Table:
    (found,) = items(root(write_tflite_metadata.build_metadata(DESCRIPTION, quantised=False)), 3)
    return found


def test_the_model_is_named_and_read_by_old_parsers() -> None:
    content = write_tflite_metadata.build_metadata(DESCRIPTION, quantised=False)
    assert content[4:8] == b"M001"
    model = root(content)
    assert (text(model, 0), text(model, 2), text(model, 7)) == ("birds", "ckpt-300", "1.0.0")
    assert "owl, wren" in text(model, 1)
    (file,) = items(model, 6)
    assert text(file, 0) == "odtool.json"


def test_the_input_is_an_rgb_image_with_its_normalisation(graph: Table) -> None:
    (image,) = items(graph, 2)
    assert text(image, 0) == "image"
    content = sub(image, 3)
    assert byte(content, 0) == 2  # ImageProperties
    properties = sub(content, 1)
    assert byte(properties, 0) == 1  # RGB
    size = sub(properties, 1)
    assert (word(size, 0), word(size, 1)) == (320, 256)
    (unit,) = items(image, 4)
    assert byte(unit, 0) == 1  # NormalizationOptions
    options = sub(unit, 1)
    assert numbers(options, 0, number_types.Float32Flags) == [127.5] * 3
    assert numbers(options, 1, number_types.Float32Flags) == [127.5] * 3
    statistics = sub(image, 5)
    assert numbers(statistics, 0, number_types.Float32Flags) == [1] * 3
    assert numbers(statistics, 1, number_types.Float32Flags) == [-1] * 3


def test_bytes_reach_from_0_to_255() -> None:
    (found,) = items(root(write_tflite_metadata.build_metadata(DESCRIPTION, quantised=True)), 3)
    statistics = sub(items(found, 2)[0], 5)
    assert numbers(statistics, 0, number_types.Float32Flags) == [255]
    assert numbers(statistics, 1, number_types.Float32Flags) == [0]


def test_the_outputs_are_named_as_the_task_library_knows_them(graph: Table) -> None:
    outputs = items(graph, 3)
    assert [text(each, 0) for each in outputs] == ["location", "category", "score", "number of detections"]
    for each in outputs[:3]:
        dimension = sub(sub(each, 3), 2)
        assert (word(dimension, 0), word(dimension, 1)) == (2, 2)


def test_boxes_say_where_their_sides_stand(graph: Table) -> None:
    content = sub(items(graph, 3)[0], 3)
    assert byte(content, 0) == 3  # BoundingBoxProperties
    boxes = sub(content, 1)
    # Left, top, right and bottom in ymin, xmin, ymax, xmax.
    assert numbers(boxes, 0, number_types.Uint32Flags) == [1, 0, 3, 2]
    assert (byte(boxes, 1), byte(boxes, 2)) == (1, 0)  # BOUNDARIES, RATIO


def test_classes_are_lines_of_the_label_file(graph: Table) -> None:
    (file,) = items(items(graph, 3)[1], 6)
    assert text(file, 0) == write_tflite_metadata.LABELS
    assert byte(file, 2) == 3  # TENSOR_VALUE_LABELS
