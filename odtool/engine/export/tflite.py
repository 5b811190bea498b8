"""TFLite files, converted from the API's own TFLite graph, with what mobile runtimes read beside it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from object_detection import export_tflite_graph_lib_tf2

from odtool import temporary_folders
from odtool.detection.runtimes.model_description import ModelDescription
from odtool.engine.export import example_images, normalisation, tflite_file, write_tflite_metadata
from odtool.engine.export.trained_model import TrainedModel, run_exporter, writing_stock_checkpoint
from odtool.pipeline.checks import exportable
from odtool.pipeline.text.facts import derive_facts

log = logging.getLogger("odtool.engine")


@dataclass(frozen=True)
class TfliteGraph:
    """The model as a SavedModel that TensorFlow's converter takes: one image of one size, NMS as TFLite's own op."""

    folder: str
    description: ModelDescription
    source: TrainedModel


@contextmanager
def write_graph(source: TrainedModel, *, max_detections: int | None, fast_nms: bool) -> Iterator[TfliteGraph]:
    """Writes the graph into a temporary folder.

    Args:
        max_detections: in an image; None takes what the config says.
        fast_nms: whether boxes suppress each other whatever their classes.
    """
    message = source.config.copy().message
    architecture = message.model.WhichOneof("model")
    model = getattr(message.model, architecture)
    size = exportable.require_input_size(derive_facts(source.config))
    padded = model.image_resizer.WhichOneof("image_resizer_oneof") != "fixed_shape_resizer"
    # The graph takes what the resizer has made of an image, and the API's exporter wants its size to be said so.
    model.image_resizer.fixed_shape_resizer.height, model.image_resizer.fixed_shape_resizer.width = size
    limit = max_detections or _find_max_detections(architecture, model)
    with temporary_folders.make() as folder, writing_stock_checkpoint(source) as checkpoint:
        write = export_tflite_graph_lib_tf2.export_tflite_model
        run_exporter(source, lambda: write(message, checkpoint, str(folder), limit, not fast_nms))
        yield TfliteGraph(f"{folder}/saved_model", _describe(source, size, padded=padded), source)


def convert(graph_folder: TfliteGraph, precision: str, representative_images: int) -> tuple[bytes, dict[str, Any]]:
    """The TFLite file, and what its input is.

    Args:
        precision: of the weights: float32, float16 or int8, the last of the arithmetic too.
        representative_images: training images from which int8 learns the range of each tensor.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(graph_folder.folder)
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    elif precision == "int8":
        _set_integer_quantisation(converter, graph_folder, representative_images)
    model = tflite_file.read(converter.convert())
    tflite_file.order_outputs(model)
    description, bytewise = graph_folder.description, tflite_file.takes_bytes(model)
    content = tflite_file.pack(
        model, write_tflite_metadata.build_metadata(description, quantised=bytewise), description
    )
    names = ("width", "height", "resize", "mean", "deviation")
    takes = {name: getattr(description, name) for name in names}
    return content, {**takes, "dtype": "uint8" if bytewise else "float32"}


def _set_integer_quantisation(converter: Any, graph_folder: TfliteGraph, count: int) -> None:
    converter.representative_dataset = lambda: _read_representative(graph_folder, count)
    # Float is left to what has no integer version: the suppression at the end.
    builtins = tf.lite.OpsSet.TFLITE_BUILTINS
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, builtins]
    if _same_in_all_channels(graph_folder.description):
        converter.inference_input_type = tf.uint8


def _same_in_all_channels(description: ModelDescription) -> bool:
    """Whether an image's bytes can be the input: one scale and zero point then stand for the normalisation."""
    return len(set(description.mean)) == 1 and len(set(description.deviation)) == 1


def _read_representative(graph_folder: TfliteGraph, count: int) -> Iterator[list[Any]]:
    """Training images as the model takes them."""
    description = graph_folder.description
    for index, image in enumerate(example_images.read_images(graph_folder.source, training=True, count=count)):
        pixels = example_images.resize_image(graph_folder.source, image.pixels)
        if index == 0:
            # One black and one white pixel, so that the input's range is that of a byte whatever the images hold.
            pixels[0, 0, 0], pixels[0, 0, 1] = 0, 255
        yield [((pixels - np.array(description.mean)) / np.array(description.deviation)).astype(np.float32)]


def _describe(source: TrainedModel, size: tuple[int, int], *, padded: bool) -> ModelDescription:
    mean, deviation = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if derive_facts(source.config).architecture == "ssd":
        mean, deviation = normalisation.measure_normalisation(source.detector.feature_extractor)
    # CenterNet's graph takes pixels and normalises them itself.
    height, width = size
    return ModelDescription(
        run=source.run.name,
        checkpoint=source.checkpoint,
        labels=source.labels,
        width=width,
        height=height,
        resize="pad" if padded else "stretch",
        mean=mean,
        deviation=deviation,
        thresholds=source.thresholds,
    )


def _find_max_detections(architecture: str, model: Any) -> int:
    """As many as the model gives elsewhere; the API's own script takes 10 unless told."""
    if architecture == "center_net":
        return int(model.object_center_params.max_box_predictions)
    return int(model.post_processing.batch_non_max_suppression.max_total_detections)
