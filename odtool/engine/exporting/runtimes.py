"""Exported files at work in their own runtimes, image by image, as verification needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from odtool.detection import outputs
from odtool.detection.types import Detections, Detector
from odtool.engine import checkpoints

Detect = Callable[[NDArray[np.uint8]], Detections]
"""Finds the objects in pixels [height, width, 3], RGB."""


def of_detector(detector: Detector) -> Detect:
    """A loaded detector, one image at a time."""
    return lambda image: detector.detect([image])[0]


def saved_model(path: Path, input_type: str) -> Detect:
    """The SavedModel, by its signature, whatever that takes."""
    signature = tf.saved_model.load(checkpoints.readable(path)).signatures["serving_default"]
    put = _INPUTS[input_type]

    def detect(image: NDArray[np.uint8]) -> Detections:
        found = signature(put(image))
        boxes, classes, scores, number = (found[name].numpy()[0] for name in outputs.NAMES)
        return of_one(boxes, classes, scores, number, image)

    return detect


def of_one(boxes: Any, classes: Any, scores: Any, number: Any, image: NDArray[np.uint8]) -> Detections:
    """The API's outputs for one image, classes as ids of the label map."""
    count = int(number)
    height, width = image.shape[:2]
    return outputs.detections(boxes[:count], classes[:count], scores[:count], width=width, height=height)


def _encoded(image: NDArray[np.uint8]) -> Any:
    return tf.io.encode_png(image)


def _example(image: NDArray[np.uint8]) -> Any:
    example = tf.train.Example()
    example.features.feature["image/encoded"].bytes_list.value.append(_encoded(image).numpy())
    return tf.constant(example.SerializeToString())


_INPUTS: Mapping[str, Callable[[NDArray[np.uint8]], Any]] = {
    "image_tensor": lambda image: tf.constant(image[None]),
    "float_image_tensor": lambda image: tf.constant(image[None], tf.float32),
    "encoded_image_string_tensor": lambda image: _encoded(image)[None],
    "tf_example": lambda image: _example(image)[None],
}
