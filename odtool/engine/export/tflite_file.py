"""The TFLite file itself: its outputs in the usual order, its metadata, and the files packed behind it."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from odtool.detection.class_labels import format_label_file
from odtool.detection.runtimes.model_description import NAME, ModelDescription
from odtool.engine.export.write_tflite_metadata import LABELS

OUTPUTS = ("output_3", "output_2", "output_1", "output_0")
"""Names in the signature of what the API's graph gives: boxes, classes, scores and their number."""
_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16
"""Bytes: schema.fbs of TFLite wants each buffer's data so (force_align), for vector instructions."""
_METADATA = b"TFLITE_METADATA"


class _Builder(flatbuffers.Builder):  # type: ignore[misc]  # flatbuffers is untyped
    """As the generated classes use it, with arrays aligned as the schema asks: they do not see to it themselves."""

    head: int
    Bytes: bytearray

    def CreateNumpyVector(self, x: Any) -> Any:  # noqa: N802 - the library's name
        self.StartVector(x.itemsize, x.size, max(_ALIGNMENT, x.dtype.alignment))
        length = x.itemsize * x.size
        self.head = self.head - length
        self.Bytes[self.head : self.head + length] = x.tobytes()
        return self.EndVector()


def read(content: bytes) -> Any:
    """The file as a tree of objects (ModelT)."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))


def order_outputs(model: Any) -> None:
    """Puts boxes, classes, scores and their number in the order that runtimes without a signature expect."""
    (signature,) = model.signatureDefs
    tensors = {entry.name.decode(): entry.tensorIndex for entry in signature.outputs}
    model.subgraphs[0].outputs = np.array([tensors[name] for name in OUTPUTS], np.int32)


def takes_bytes(model: Any) -> bool:
    """Whether the input is an image's bytes."""
    graph = model.subgraphs[0]
    return bool(graph.tensors[graph.inputs[0]].type == schema.TensorType.UINT8)


def pack(model: Any, metadata: bytes, description: ModelDescription) -> bytes:
    """The file, with TFLite Metadata inside and a zip of labels and description behind, where its readers look."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(metadata, np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = _METADATA, len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]
    builder = _Builder(1 << 20)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    stream = io.BytesIO(bytes(builder.Output()))
    with zipfile.ZipFile(stream, "a") as archive:
        for name, content in ((LABELS, format_label_file(description.labels)), (NAME, description.to_json())):
            # Without a date of its own, so that the same model gives the same bytes.
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()
