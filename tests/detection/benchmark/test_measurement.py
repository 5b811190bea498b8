"""Timing and scoring with a detector whose clock is the test's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from odtool.detection.accuracy import GroundTruth
from odtool.detection.benchmark import measurement
from odtool.detection.benchmark.record_examples import RecordExample
from odtool.detection.detector import Detections, ImageSource

BOX = np.array([[10, 10, 60, 60]], np.float32)
LABELS = {1: "disc"}


@dataclass
class SteadyDetector:
    """Finds one disc; takes 10 ms and 2 ms an image, but the first calls a second longer."""

    takes_batches: bool
    now: float = 0.0
    calls: list[int] = field(default_factory=list)

    @property
    def labels(self) -> Mapping[int, str]:
        return LABELS

    @property
    def thresholds(self) -> Mapping[str, float]:
        return {}

    def detect(self, images: Sequence[ImageSource], *, min_score: float = 0.0) -> list[Detections]:
        self.now += 0.010 + 0.002 * len(images) + (len(self.calls) < 3)
        self.calls.append(len(images))
        scores, classes = np.array([0.9], np.float32), np.array([1], np.int64)
        return [Detections(BOX, scores, classes, 100, 100) for _ in images]

    def clock(self) -> float:
        return self.now


def examples(count: int) -> Iterator[RecordExample]:
    truth = GroundTruth(BOX, np.array([1], np.int64), np.array([False]))
    return iter([RecordExample(np.zeros((100, 100, 3), np.uint8), truth)] * count)


def test_calls_that_warm_up_are_not_timed_and_batches_are_faster() -> None:
    detector = SteadyDetector(takes_batches=True)
    result = measurement.measure(detector, examples(20), batches=(1, 4), repeats=10, score=False, clock=detector.clock)
    assert (result.milliseconds, result.milliseconds_p95) == (12, 12)
    assert result.images_per_second == {1: 83.33, 4: 222.22}
    assert detector.calls == [1] * 13 + [4] * 6
    assert (result.ap, result.images) == (None, 0)


def test_a_model_that_takes_one_image_at_a_time_has_no_batches() -> None:
    detector = SteadyDetector(takes_batches=False)
    result = measurement.measure(detector, examples(2), batches=(1, 4), repeats=5, score=False, clock=detector.clock)
    assert set(result.images_per_second) == {1}
    assert set(detector.calls) == {1}


def test_every_example_is_scored() -> None:
    detector = SteadyDetector(takes_batches=False)
    result = measurement.measure(detector, examples(40), batches=(), repeats=1, score=True, clock=detector.clock)
    assert result.images == 40
    assert result.ap == pytest.approx(1)
    assert len(detector.calls) == 4 + 40


def test_the_peak_of_memory_is_what_the_system_says(tmp_path: Path) -> None:
    assert measurement.read_peak_memory(tmp_path / "none") is None
    (tmp_path / "status").write_text("Name:\tpython\nVmPeak:\t 9 kB\nVmHWM:\t  2048 kB\nVmRSS:\t 1 kB\n")
    assert measurement.read_peak_memory(tmp_path / "status") == 2048 * 1024
    before = measurement.read_peak_memory()
    assert before is not None
    block = bytearray(b"x") * (before + (64 << 20))
    after = measurement.read_peak_memory()
    assert after is not None
    assert after - before > 32 << 20
    del block
