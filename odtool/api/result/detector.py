"""A trained detector in the caller's own process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtool.api.requests import StrPath

if TYPE_CHECKING:
    from odtool.detection.detector import Detections, Detector

__all__ = ["Detections", "Detector", "load_detector"]


def load_detector(path: StrPath, *, label_map: StrPath | None = None) -> Detector:
    """Loads a detector; its `detect` takes paths, encoded images and RGB arrays and gives boxes in pixels.

    TensorFlow is loaded for runs and SavedModels only.

    Args:
        path: a run's folder (train/<run>: its best checkpoint is taken, else the newest), a checkpoint in one
            (train/<run>/ckpt-300), a folder that `odtool export` wrote, a SavedModel's folder, a .tflite or an .onnx
            file.
        label_map: a label map, for models that do not carry the names of their classes.

    Raises:
        DataError: it is none of these, or cannot be run, or does not name its classes.
        JobError: the run has no checkpoint.
        ConfigError: the run's pipeline.config cannot be used.
    """
    # The one call of the API that the engine answers in this process: what it gives is to be called image by image.
    from odtool.engine.detect import loading

    return loading.load_detector(path, label_map=label_map)
