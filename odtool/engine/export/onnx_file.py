"""The ONNX file, converted by tf2onnx from the function that the SavedModel holds."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from object_detection import exporter_lib_v2
from object_detection.utils import shape_utils

from odtool.detection.runtimes.model_description import PROPERTY
from odtool.engine.export.saved_model import describe
from odtool.engine.export.trained_model import TrainedModel, run_exporter
from odtool.errors import ConfigError, first_line

OPSET = 17
"""onnxruntime runs it from 1.12 on; odtool[onnx] asks for 1.20."""
INPUT = "input_tensor"


def write(source: TrainedModel, path: Path) -> None:
    """Writes the file: an image [1, height, width, 3] of bytes in, the SavedModel's outputs by the same names out."""
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    frozen, names = _freeze(source)
    outputs = [tensor.name for tensor in frozen.outputs]
    try:
        model, _ = tf2onnx.convert.from_graph_def(
            _fix_defaults(frozen.graph.as_graph_def()),
            name=source.run.name,
            input_names=[tensor.name for tensor in frozen.inputs],
            output_names=outputs,
            opset=OPSET,
            tensors_to_rename={frozen.inputs[0].name: INPUT, **dict(zip(outputs, names, strict=True))},
        )
    except Exception as error:  # the converter has no errors of its own: what it lacks shows as any of Python's
        raise ConfigError(
            f"the model cannot be converted to ONNX: {type(error).__name__}: {first_line(error)}",
            "Leave onnx out of --format.",
        ) from error
    entry = model.metadata_props.add()
    entry.key, entry.value = PROPERTY, describe(source).to_json()
    path.write_bytes(model.SerializeToString())


@contextmanager
def _without_loops_over_images() -> Iterator[None]:
    """Has the API treat its one image directly where it has lost sight of there being one, in the second stage.

    There it loops over the images of a batch, by tf.map_fn, and tf2onnx makes loops of that which onnxruntime does not
    take: the values they begin with and those that they go on with are of different types.
    """
    own = shape_utils.static_or_dynamic_map_fn

    def map_one_image(fn: Any, elems: Any, *arguments: Any, **options: Any) -> Any:
        for tensor in elems if isinstance(elems, list) else [elems]:
            if tensor.shape.rank and tensor.shape[0] is None:
                tensor.set_shape([1, *tensor.shape[1:]])
        return own(fn, elems, *arguments, **options)

    shape_utils.static_or_dynamic_map_fn = map_one_image
    try:
        yield
    finally:
        shape_utils.static_or_dynamic_map_fn = own


def _fix_defaults(graph: Any) -> Any:
    """The graph, in which inputs with a default have it: ResNet's of the API are such, and nothing ever feeds them.

    tf2onnx takes only constants for defaults, and here an image of the model's own making is one.
    """
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        for node in nodes:
            if node.op == "PlaceholderWithDefault":
                node.op = "Identity"
                node.attr["T"].CopyFrom(node.attr["dtype"])
                del node.attr["dtype"], node.attr["shape"]
    return graph


def _freeze(source: TrainedModel) -> tuple[Any, list[str]]:
    """The API's inference function with variables as constants, and the names of its outputs in their order."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    module = exporter_lib_v2.DETECTION_MODULE_MAP["image_tensor"](source.detector, False, [])
    with _without_loops_over_images():
        function = run_exporter(source, module.__call__.get_concrete_function)
    # With loops left whole, which tf2onnx makes ONNX loops of.
    frozen = convert_variables_to_constants_v2(function, lower_control_flow=False, aggressive_inlining=True)
    return frozen, sorted(function.structured_outputs)  # as TensorFlow flattens a dict
