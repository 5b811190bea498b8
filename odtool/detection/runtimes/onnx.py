"""ONNX detectors, run by onnxruntime: the API's SavedModels, converted."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from odtool.detection import image_arrays
from odtool.detection.class_labels import require_labels
from odtool.detection.detector import Detections, ImageSource
from odtool.detection.image_arrays import to_list
from odtool.detection.runtimes.model_description import PROPERTY, ModelDescription
from odtool.detection.runtimes.outputs import MASKS, NAMES, build_detections
from odtool.errors import DataError


class OnnxDetector:
    """An ONNX file that takes images of any size as bytes and gives the API's outputs."""

    takes_batches = False

    def __init__(self, path: Path, labels: Mapping[int, str] | None = None) -> None:
        """Loads the file.

        Args:
            labels: class names by the ids of the label map; those that the file carries by default.

        Raises:
            DataError: onnxruntime is not installed, or it is not such a model, or it does not name its classes.
        """
        self._session = _open_session(path)
        inputs = self._session.get_inputs()
        outputs = {output.name for output in self._session.get_outputs()}
        if len(inputs) != 1 or inputs[0].type != "tensor(uint8)" or not set(NAMES) <= outputs:
            raise DataError(
                f"{path} does not take an image and return {', '.join(NAMES)}",
                "Use a model that odtool export wrote, or one that tf2onnx made of the API's SavedModel.",
            )
        self._input = inputs[0].name
        self._outputs = [*NAMES, MASKS] if MASKS in outputs else [*NAMES]
        metadata = self._session.get_modelmeta().custom_metadata_map.get(PROPERTY)
        described = ModelDescription.from_json(metadata, str(path)) if metadata else None
        self.labels = require_labels(labels or (described.labels if described else {}), path)
        self.thresholds: Mapping[str, float] = described.thresholds if described else {}

    @property
    def providers(self) -> list[str]:
        """What onnxruntime runs it on, as CPUExecutionProvider, the first choice first."""
        return list(self._session.get_providers())

    def detect(self, images: Sequence[ImageSource], *, min_score: float = 0.0) -> list[Detections]:
        """Finds the objects in each image; see `Detector`."""
        return [self._detect_one(image, min_score) for image in to_list(images)]

    def _detect_one(self, source: ImageSource, min_score: float) -> Detections:
        image = image_arrays.read_pixels(source)
        boxes, classes, scores, number, *masks = self._session.run(self._outputs, {self._input: image[np.newaxis]})
        count = int(number[0])
        height, width = image.shape[:2]
        return build_detections(
            boxes[0, :count],
            np.rint(classes[0, :count]).astype(np.int64),
            scores[0, :count],
            width=width,
            height=height,
            min_score=min_score,
            masks=masks[0][0, :count] if masks else None,
        )


def _open_session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise DataError(f"{path}: onnxruntime is not installed", "Install it: pip install 'odtool[onnx]'") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    options.log_severity_level = 3  # it warns of every constant that it moves
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=onnxruntime.get_available_providers())
    except Exception as error:  # onnxruntime's own errors have no common class that it exports
        raise DataError(f"{path} is not an ONNX model that can be run: {error}", "Export it: odtool export") from None
