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
from odtool.detection.types import Detections, Detector
from odtool.engine.exporting import images
from odtool.engine.exporting.source import Source, records
from odtool.engine.running import CheckpointDetector

Detect = Callable[[NDArray[np.uint8]], Detections]
"""Finds the objects in pixels [height, width, 3], RGB."""


@dataclass(frozen=True)
class Reference:
    """What the checkpoint itself finds."""

    split: str
    """Of which records the images are: evaluation, or training where there are no others."""
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


def reference(source: Source, count: int) -> Reference:
    """Runs the checkpoint over the first `count` images.

    Raises:
        DataError: the run has no records.
    """
    training = not records(source, training=False)
    detect = _one_by_one(CheckpointDetector.of(source))
    truth, found = [], []
    for image in images.decoded(source, training=training, count=count):
        truth.append(image.truth)
        found.append(detect(image.pixels))
    return Reference("training" if training else "evaluation", truth, found, _ap(source, truth, found))


def verify(source: Source, against: Reference, detector: Detector) -> Verification:
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


def _images(source: Source, against: Reference) -> Iterator[images.Image]:
    return images.decoded(source, training=against.split == "training", count=len(against.truth))


def _ap(source: Source, truth: list[GroundTruth], found: list[Detections]) -> float | None:
    return accuracy.coco_metrics(truth, found, source.labels).figures.ap


def _one_by_one(detector: Detector) -> Detect:
    return lambda image: detector.detect([image])[0]
