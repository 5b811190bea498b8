"""TFLite detectors, run by LiteRT: those of `odtool export`, and others whose outputs are those of TFLite's own NMS."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from odtool.detection import image_arrays
from odtool.detection.class_labels import parse_label_file, require_labels
from odtool.detection.detector import Detections, ImageSource
from odtool.detection.image_arrays import to_list
from odtool.detection.runtimes import tflite_metadata
from odtool.detection.runtimes.model_description import LARGEST, NAME, ModelDescription
from odtool.detection.runtimes.outputs import build_detections
from odtool.detection.runtimes.tflite_metadata import Colour
from odtool.errors import DataError

_SIGNED = ("output_3", "output_2", "output_1", "output_0")
"""Boxes, classes, scores and their number in the signature of the API's graph, which returns the number first."""
_NAMED = {
    **{f"StatefulPartitionedCall:{number}": 3 - number for number in range(4)},
    "TFLite_Detection_PostProcess": 0,
    **{f"TFLite_Detection_PostProcess:{number}": number for number in range(1, 4)},
}
"""Which of the four a tensor is, by the names that the converters of TensorFlow 2 and 1 give it."""


class LiteRtDetector:
    """A TFLite file of one input image and four outputs: boxes, classes from 0, scores and their number."""

    takes_batches = False

    def __init__(self, path: Path, labels: Mapping[int, str] | None = None) -> None:
        """Loads the file.

        Args:
            labels: class names by the ids of the label map; those that the file carries by default.

        Raises:
            DataError: it is not such a model, or does not say what its classes are or how its input is made.
        """
        self._interpreter = _load_interpreter(path)
        (self._input,) = self._interpreter.get_input_details()
        if len(self._input["shape"]) != 4 or self._input["shape"][3] != 3:
            raise DataError(
                f"{path}: its input {list(self._input['shape'])} is not an image", "Use a detector that takes images."
            )
        self._outputs = _find_outputs(self._interpreter, path)
        self._description = _load_description(path, self._input)
        self.labels = require_labels(labels or self._description.labels, path)
        self.thresholds: Mapping[str, float] = self._description.thresholds

    def detect(self, images: Sequence[ImageSource], *, min_score: float = 0.0) -> list[Detections]:
        """Finds the objects in each image; see `Detector`."""
        return [self._detect_one(image, min_score) for image in to_list(images)]

    def _detect_one(self, source: ImageSource, min_score: float) -> Detections:
        image = image_arrays.read_pixels(source)
        height, width = image.shape[:2]
        _, most_high, most_wide, _ = self._input["shape"]
        high, wide = most_high, most_wide
        if self._description.resize == "pad":
            high, wide = image_arrays.fit(height, width, most_high, most_wide)
        values = np.zeros((1, most_high, most_wide, 3), np.float32)
        mean, deviation = (
            np.array(statistic, np.float32) for statistic in (self._description.mean, self._description.deviation)
        )
        values[0, :high, :wide] = (image_arrays.resize(image, high, wide) - mean) / deviation
        self._interpreter.set_tensor(self._input["index"], _quantise(values, self._input))
        self._interpreter.invoke()
        boxes, classes, scores, number = (self._read_value(detail) for detail in self._outputs)
        count = int(number.reshape(-1)[0])
        return build_detections(
            boxes[0, :count],
            np.rint(classes[0, :count]).astype(np.int64) + 1,
            scores[0, :count],
            width=width,
            height=height,
            scale=(most_high / high, most_wide / wide),
            min_score=min_score,
        )

    def _read_value(self, detail: Any) -> NDArray[np.float32]:
        """An output as floats, whether or not it is quantised."""
        value = self._interpreter.get_tensor(detail["index"]).astype(np.float32)
        scale, zero = detail["quantization"]
        return np.asarray((value - zero) * scale if scale else value, np.float32)


def _load_interpreter(path: Path) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_path=str(path), num_threads=len(os.sched_getaffinity(0)))
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise DataError(f"{path} is not a TFLite model that can be run: {error}", "Export it: odtool export") from None
    return interpreter


def _quantise(values: NDArray[np.float32], detail: Any) -> NDArray[Any]:
    if detail["dtype"] == np.float32:
        return values
    scale, zero = detail["quantization"]
    limits = np.iinfo(detail["dtype"])
    return np.asarray(np.clip(np.rint(values / scale + zero), limits.min, limits.max).astype(detail["dtype"]))


def _find_outputs(interpreter: Any, path: Path) -> list[Any]:
    """Details of boxes, classes, scores and number, whose order is not the same in all models.

    The signature's names are taken where there is one, else those of the tensors, else the order of TFLite's own NMS.
    """
    details = interpreter.get_output_details()
    signatures = interpreter.get_signature_list()
    if signatures and set(_SIGNED) <= set(next(iter(signatures.values()))["outputs"]):
        by_name = interpreter.get_signature_runner(next(iter(signatures))).get_output_details()
        return [by_name[name] for name in _SIGNED]
    if {_NAMED.get(detail["name"]) for detail in details} == set(range(4)):
        return sorted(details, key=lambda detail: _NAMED[detail["name"]])
    if len(details) < 4 or len(details[0]["shape"]) != 3 or details[0]["shape"][-1] != 4:
        shapes = ", ".join(str(list(detail["shape"])) for detail in details)
        raise DataError(
            f"{path}: its outputs ({shapes}) are not boxes, classes, scores and their number",
            "Use a detector with non-maximum suppression inside, as odtool export writes.",
        )
    return list(details[:4])


def _load_description(path: Path, detail: Any) -> ModelDescription:
    """What is packed behind the model; for a model of others, what its TFLite Metadata and its input's type tell."""
    labels: dict[int, str] = {}
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if NAME in names:
                return ModelDescription.from_json(_read_packed(path, archive, NAME), str(path))
            for name in names[:1] if len(names) == 1 else [candidate for candidate in names if "label" in candidate]:
                labels = parse_label_file(_read_packed(path, archive, name).decode("utf-8", "replace"))
    mean, deviation = _read_normalisation(path, detail)
    _, height, width, _ = map(int, detail["shape"])
    return ModelDescription("", "", labels, width, height, "stretch", mean, deviation)


def _read_packed(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    """A file that is packed behind a model. It never unpacks to more than it says, which is looked at first."""
    if (size := archive.getinfo(name).file_size) > LARGEST:
        raise DataError(f"{path}: {name} in it has {size:,} bytes, which no list of classes has", "Export it again.")
    return archive.read(name)


def _read_normalisation(path: Path, detail: Any) -> tuple[Colour, Colour]:
    scale, zero = detail["quantization"]
    if detail["dtype"] == np.uint8:
        mean, deviation = (float(zero), 1 / scale) if scale else (0.0, 1.0)  # so that bytes come out as they went in
        return (mean,) * 3, (deviation,) * 3
    statistics = tflite_metadata.read_normalisation(path.read_bytes(), str(path))
    if statistics is None:
        raise DataError(
            f"{path} takes {np.dtype(detail['dtype']).name} and does not say how pixels are converted to it",
            "Use a model that odtool export wrote, one with TFLite Metadata, or one that takes uint8.",
        )
    return statistics
