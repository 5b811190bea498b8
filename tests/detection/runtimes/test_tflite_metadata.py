from __future__ import annotations

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from odtool.detection.runtimes import tflite_metadata
from odtool.detection.runtimes.model_description import ModelDescription
from odtool.engine.export import write_tflite_metadata as writing
from odtool.errors import DataError

MEAN, DEVIATION = (123.5, 116.5, 103.5), (58.5, 57.0, 57.5)


def model(metadata: bytes | None) -> bytes:
    """A TFLite file without a graph."""
    made = schema.ModelT()
    if metadata is not None:
        made.buffers = [schema.BufferT(), schema.BufferT()]
        made.buffers[1].data = np.frombuffer(metadata, np.uint8)
        made.metadata = [schema.MetadataT()]
        made.metadata[0].name, made.metadata[0].buffer = tflite_metadata.NAME, 1
    builder = flatbuffers.Builder(1024)
    builder.Finish(made.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.fixture
def metadata() -> bytes:
    description = ModelDescription("run", "ckpt-1", {1: "disc"}, 32, 32, "stretch", MEAN, DEVIATION)
    return writing.build_metadata(description, quantised=False)


def test_the_normalisation_is_that_of_the_metadata(metadata: bytes) -> None:
    assert tflite_metadata.read_normalisation(model(metadata), "a.tflite") == (MEAN, DEVIATION)


def test_a_file_without_metadata_does_not_say() -> None:
    assert tflite_metadata.read_normalisation(model(None), "a.tflite") is None


def test_damaged_metadata_are_named(metadata: bytes) -> None:
    with pytest.raises(DataError, match=r"a\.tflite: its TFLite metadata is damaged"):
        tflite_metadata.read_normalisation(model(b"\xff\xff\xff\x7f" + metadata[4:]), "a.tflite")
