"""Verification of an export: it is loaded in its own runtime and compared with the checkpoint, image by image."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from odtool.detection import accuracy, agreement, outputs
from odtool.detection.accuracy import GroundTruth
from odtool.detection.types import Detections, Detector
from odtool.engine.exporting import images
from odtool.engine.exporting.source import Source, records
from odtool.engine.tracing import Graph

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
    detect = _of_checkpoint(source)
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


def _of_checkpoint(source: Source) -> Detect:
    def infer(image: Any) -> Any:
        pixels, shapes = source.detector.preprocess(tf.cast(image, tf.float32)[tf.newaxis])
        made = source.detector.postprocess(source.detector.predict(pixels, shapes), shapes)
        return [made[name][0] for name in outputs.NAMES]

    graph = Graph(infer)
    graph.trace(tf.TensorSpec([None, None, 3], tf.uint8))

    def detect(image: NDArray[np.uint8]) -> Detections:
        boxes, classes, scores, number = (value.numpy() for value in graph(tf.constant(image)))
        # Models count classes from 0, label maps from 1.
        count, (height, width) = int(number), image.shape[:2]
        ids = np.rint(classes[:count]).astype(np.int64) + 1
        return outputs.detections(boxes[:count], ids, scores[:count], width=width, height=height)

    return detect
