"""The score from which a detection is taken for an object: for each class the one that makes F1 largest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from odtool.detection.accuracy import Accuracy, ClassAccuracy

FALLBACK = 0.5
"""For a class of which nothing is found right at any threshold."""


@dataclass(frozen=True)
class OperatingPoint:
    """What a class's threshold gives at IoU .5."""

    threshold: float
    """Detections of at least this score are taken."""
    precision: float | None
    """None where nothing is taken."""
    recall: float | None
    """None where there is nothing to be found."""
    f1: float | None
    correct: int
    wrong: int
    missed: int

    @property
    def shown_threshold(self) -> str:
        """With all its digits: people copy it, and with fewer it may take other detections."""
        return repr(self.threshold).removesuffix(".0")


def find_best_points(accuracy: Accuracy) -> dict[int, OperatingPoint]:
    """The best threshold of each class."""
    return {number: _find_best(item) for number, item in accuracy.by_class.items()}


def list_thresholds(points: Mapping[int, OperatingPoint]) -> dict[int, float]:
    """Thresholds by class."""
    return {number: point.threshold for number, point in points.items()}


def _find_best(item: ClassAccuracy) -> OperatingPoint:
    correct = np.cumsum(item.correct)
    totals = np.arange(1, len(correct) + 1)
    # A threshold takes all detections of one score or none of them.
    ends = np.append(item.scores[1:] != item.scores[:-1], True)[: len(correct)]
    if not item.objects or not correct.size or not correct[-1]:
        return _evaluate_at(item, FALLBACK)
    f1 = np.where(ends, 2 * correct / (totals + item.objects), 0)
    index = int(np.argmax(f1))
    return _evaluate_at(item, _choose_between(item, index))


def _choose_between(item: ClassAccuracy, last: int) -> float:
    """A threshold of few digits that takes the first detections up to `last`: people copy it."""
    high = float(item.scores[last])
    low = float(item.scores[last + 1]) if last + 1 < len(item.scores) else 0.0
    for digits in range(2, 9):
        rounded = np.ceil(low * 10**digits + 1e-9) / 10**digits
        middle = round((low + high) / 2, digits)
        for value in (middle, float(rounded)):
            # Scores are float32, and so is the threshold that they are compared with.
            if low < np.float32(value) and value <= high:
                return value
    return high


def _evaluate_at(item: ClassAccuracy, threshold: float) -> OperatingPoint:
    accepted = item.scores >= threshold
    correct = int(item.correct[accepted].sum())
    wrong = int(accepted.sum()) - correct
    missed = item.objects - correct
    everything = 2 * correct + wrong + missed
    return OperatingPoint(
        threshold,
        correct / (correct + wrong) if correct + wrong else None,
        correct / item.objects if item.objects else None,
        2 * correct / everything if item.objects else None,
        correct,
        wrong,
        missed,
    )
