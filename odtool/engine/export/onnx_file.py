"""The ONNX file, converted by tf2onnx from the function that the SavedModel holds."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from object_detection import exporter_lib_v2

from odtool.detection.runtimes.model_description import PROPERTY
from odtool.engine.export.saved_model import describe
from odtool.engine.export.trained_model import TrainedModel, run_exporter

OPSET = 17
"""onnxruntime runs it from 1.12 on; odtool[onnx] asks for 1.20."""
INPUT = "input_tensor"


def write(source: TrainedModel, path: Path) -> None:
    """Writes the file: an image [1, height, width, 3] of bytes in, the SavedModel's outputs by the same names out."""
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    frozen, names = _freeze(source)
    outputs = [tensor.name for tensor in frozen.outputs]
    model, _ = tf2onnx.convert.from_graph_def(
        frozen.graph.as_graph_def(),
        name=source.run.name,
        input_names=[tensor.name for tensor in frozen.inputs],
        output_names=outputs,
        opset=OPSET,
        tensors_to_rename={frozen.inputs[0].name: INPUT, **dict(zip(outputs, names, strict=True))},
    )
    entry = model.metadata_props.add()
    entry.key, entry.value = PROPERTY, describe(source).to_json()
    path.write_bytes(model.SerializeToString())


def _freeze(source: TrainedModel) -> tuple[Any, list[str]]:
    """The API's inference function with variables as constants, and the names of its outputs in their order."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    module = exporter_lib_v2.DETECTION_MODULE_MAP["image_tensor"](source.detector, False, [])
    function = run_exporter(source, module.__call__.get_concrete_function)
    # With loops left whole, which tf2onnx makes ONNX loops of.
    frozen = convert_variables_to_constants_v2(function, lower_control_flow=False, aggressive_inlining=True)
    return frozen, sorted(function.structured_outputs)  # as TensorFlow flattens a dict
