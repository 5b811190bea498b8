"""Verification of an export: it is loaded in its own runtime and compared with the checkpoint, image by image."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from odtool.detection import accuracy, agreement
from odtool.detection.accuracy import GroundTruth
from odtool.detection.detector import Detections, Detector
from odtool.engine.detect.tensorflow_detectors import CheckpointDetector
from odtool.engine.export import example_images
from odtool.engine.export.trained_model import TrainedModel, find_records
from odtool.errors import DataError

Detect = Callable[[NDArray[np.uint8]], Detections]
"""Finds the objects in pixels [height, width, 3], RGB."""


@dataclass(frozen=True)
class Reference:
    """What the checkpoint itself finds."""

    split: str
    """Of which records the images are: evaluation, or training where these hold none."""
    truth: list[GroundTruth]
    detections: list[Detections]
    ap: float | None
    """mAP@[.5:.95] over these images; None where they hold no object."""


@dataclass(frozen=True)
class Verification:
    """How an export compares with it."""

    agreement: agreement.Agreement
    ap: float | None
    milliseconds: float
    """Median time for one image, its scaling and normalising included, decoding not."""


def detect_reference(source: TrainedModel, count: int) -> Reference:
    """Runs the checkpoint over the first `count` images of the first records that hold any.

    Raises:
        DataError: the run has no records, or none with an image.
    """
    detect = _detect_one_by_one(CheckpointDetector.from_trained_model(source))
    evaluation, training = (find_records(source, training=training) for training in (False, True))
    # Where there are neither, `example_images.read_images` says so.
    for split, names in (("evaluation", evaluation), ("training", training or not evaluation)):
        truth, detections = [], []
        for image in example_images.read_images(source, training=split == "training", count=count) if names else ():
            truth.append(image.truth)
            detections.append(detect(image.pixels))
        if truth:
            return Reference(split, truth, detections, _compute_ap(source, truth, detections))
    raise DataError(
        f"{', '.join(evaluation + training)}: these records hold no images", "Prepare the data again: odtool prepare"
    )


def verify(source: TrainedModel, against: Reference, detector: Detector) -> Verification:
    """Runs an export over the same images."""
    detect = _detect_one_by_one(detector)
    detections: list[Detections] = []
    seconds: list[float] = []
    for image in _read_images(source, against):
        if not detections:
            detect(image.pixels)  # what is done once is not an image's time
        start = time.perf_counter()
        detections.append(detect(image.pixels))
        seconds.append(time.perf_counter() - start)
    return Verification(
        agreement.compare(against.detections, detections),
        _compute_ap(source, against.truth, detections),
        round(statistics.median(seconds) * 1000, 2),
    )


def measure_size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())


def _read_images(source: TrainedModel, against: Reference) -> Iterator[example_images.RecordImage]:
    return example_images.read_images(source, training=against.split == "training", count=len(against.truth))


def _compute_ap(source: TrainedModel, truth: list[GroundTruth], detections: list[Detections]) -> float | None:
    return accuracy.compute_coco_metrics(truth, detections, source.labels).figures.ap


def _detect_one_by_one(detector: Detector) -> Detect:
    return lambda image: detector.detect([image])[0]
