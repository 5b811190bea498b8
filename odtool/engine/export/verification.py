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
from odtool.engine.export import record_images
from odtool.engine.export.trained_model import TrainedModel, records
from odtool.errors import DataError

Detect = Callable[[NDArray[np.uint8]], Detections]
"""Finds the objects in pixels [height, width, 3], RGB."""


@dataclass(frozen=True)
class Reference:
    """What the checkpoint itself finds."""

    split: str
    """Of which records the images are: evaluation, or training where these hold none."""
    truth: list[GroundTruth]
    found: list[Detections]
    ap: float | None
    """mAP@[.5:.95] over these images; None where they hold no object."""


@dataclass(frozen=True)
class Verification:
    """How an export compares with it."""

    agreement: agreement.Agreement
    ap: float | None
    milliseconds: float
    """Median time for one image, its scaling and normalising included, decoding not."""


def reference(source: TrainedModel, count: int) -> Reference:
    """Runs the checkpoint over the first `count` images of the first records that hold any.

    Raises:
        DataError: the run has no records, or none with an image.
    """
    detect = _one_by_one(CheckpointDetector.of(source))
    evaluation, training = (records(source, training=training) for training in (False, True))
    # Where there are neither, `decoded` says so.
    for split, names in (("evaluation", evaluation), ("training", training or not evaluation)):
        truth, found = [], []
        for image in record_images.decoded(source, training=split == "training", count=count) if names else ():
            truth.append(image.truth)
            found.append(detect(image.pixels))
        if truth:
            return Reference(split, truth, found, _ap(source, truth, found))
    raise DataError(f"{', '.join(evaluation + training)}: hold no image", "Prepare the data again: odtool prepare")


def verify(source: TrainedModel, against: Reference, detector: Detector) -> Verification:
    """Runs an export over the same images."""
    detect = _one_by_one(detector)
    found: list[Detections] = []
    seconds: list[float] = []
    for image in _images(source, against):
        if not found:
            detect(image.pixels)  # what is done once is not an image's time
        began = time.perf_counter()
        found.append(detect(image.pixels))
        seconds.append(time.perf_counter() - began)
    return Verification(
        agreement.compare(against.found, found),
        _ap(source, against.truth, found),
        round(statistics.median(seconds) * 1000, 2),
    )


def size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return sum(each.stat().st_size for each in ([path] if path.is_file() else path.rglob("*")) if each.is_file())


def _images(source: TrainedModel, against: Reference) -> Iterator[record_images.Image]:
    return record_images.decoded(source, training=against.split == "training", count=len(against.truth))


def _ap(source: TrainedModel, truth: list[GroundTruth], found: list[Detections]) -> float | None:
    return accuracy.coco_metrics(truth, found, source.labels).figures.ap


def _one_by_one(detector: Detector) -> Detect:
    return lambda image: detector.detect([image])[0]
