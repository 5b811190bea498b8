"""What one detector takes in this process: the time of an image, images a second by batch, memory, and its mAP."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from odtool.detection import accuracy
from odtool.detection.accuracy import GroundTruth
from odtool.detection.benchmark.record_examples import RecordExample
from odtool.detection.detector import Detections, Detector

_WARM_UP = 3
"""Calls before any is timed: the first ones lay out memory and choose algorithms."""
_HELD = 16
"""Decoded images in memory, which are timed in turn: one alone could stay in the processor's cache."""
_CONFIDENCE = 95

Pixels = NDArray[np.uint8]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Measurement:
    """Of one model on one device."""

    milliseconds: float
    """Median time of one image, its scaling and normalising included, its decoding not."""
    milliseconds_p95: float
    """19 of 20 images take no longer."""
    images_per_second: dict[int, float]
    """By the number of images that are given at once; of a model that takes one at a time, by 1 alone."""
    peak_bytes: int | None
    """Of the process's memory at its highest, runtime and model included; None where the system does not say."""
    ap: float | None
    """mAP@[.5:.95]; None where it was not asked for, or where the images hold no object."""
    images: int
    """On which it was computed."""


def measure(
    detector: Detector,
    examples: Iterable[RecordExample],
    *,
    batches: Sequence[int],
    repeats: int,
    score: bool,
    clock: Clock = time.perf_counter,
) -> Measurement:
    """Times a detector and, where it is to be scored, runs it over all examples.

    Args:
        examples: at least one; read once.
        batches: images at once, beside one alone.
        repeats: timed calls with one image; with several at once, as many as give no fewer images.
    """
    coming = iter(examples)
    held = list(islice(coming, _HELD))
    images = [example.pixels for example in held]
    seconds = _time_calls(detector, images, 1, repeats, clock)
    rates = {1: _compute_rate(1, seconds)}
    for size in batches if detector.takes_batches else ():
        if size > 1:
            rates[size] = _compute_rate(size, _time_calls(detector, images, size, -(-repeats // size), clock))
    peak = read_peak_memory()
    ap, count = _score(detector, held, coming) if score else (None, 0)
    low, high = np.percentile(np.array(seconds) * 1000, (50, _CONFIDENCE))
    return Measurement(round(float(low), 3), round(float(high), 3), rates, peak, ap, count)


def read_peak_memory(status: Path = Path("/proc/self/status")) -> int | None:
    """The most memory, in bytes, that this process has held since its program began; None beyond Linux.

    getrusage's maximum would do, if it did not count what the process that started this one held.
    """
    try:
        match = re.search(r"^VmHWM:\s*(\d+) kB", status.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(match[1]) * 1024 if match else None


def _time_calls(detector: Detector, images: Sequence[Pixels], size: int, calls: int, clock: Clock) -> list[float]:
    """Seconds of each call with `size` images."""
    seconds = []
    for number in range(_WARM_UP + calls):
        batch = [images[(number * size + place) % len(images)] for place in range(size)]
        begin = clock()
        detector.detect(batch)
        seconds.append(clock() - begin)
    return seconds[_WARM_UP:]


def _compute_rate(size: int, seconds: Sequence[float]) -> float:
    return round(size / max(float(np.median(seconds)), 1e-9), 2)


def _score(
    detector: Detector, held: Sequence[RecordExample], coming: Iterable[RecordExample]
) -> tuple[float | None, int]:
    truth: list[GroundTruth] = []
    detections: list[Detections] = []
    for example in chain(held, coming):
        truth.append(example.truth)
        detections += detector.detect([example.pixels])
    return accuracy.compute_coco_metrics(truth, detections, detector.labels).figures.ap, len(truth)
