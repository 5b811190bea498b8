"""Precision, recall and F1 by the score from which detections are taken, of one class and of all together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from odtool.detection.accuracy import Accuracy, ClassAccuracy

SCORES = np.linspace(0, 1, 101)
"""At which the curves are taken."""
Shares = tuple[float | None, ...]


@dataclass(frozen=True)
class ScoreCurves:
    """At each of SCORES, at IoU .5; None where a figure does not exist."""

    precision: Shares
    """None where no detection reaches the score."""
    recall: Shares
    f1: Shares

    def find_best(self) -> tuple[float, float] | None:
        """The score at which F1 is largest, the middle where several are alike, and F1 there."""
        highest = max((value for value in self.f1 if value is not None), default=None)
        if highest is None:
            return None
        places = [index for index, value in enumerate(self.f1) if value == highest]
        return float(SCORES[places[(len(places) - 1) // 2]]), highest


def compute(item: ClassAccuracy) -> ScoreCurves:
    """The curves of a class."""
    correct = np.append(0, np.cumsum(item.correct))
    # Scores fall; counted from the end, they rise as a search wants them.
    taken = len(item.scores) - np.searchsorted(item.scores[::-1], SCORES, side="left")
    right, objects = correct[taken], item.objects
    return ScoreCurves(
        precision=tuple(float(a / b) if b else None for a, b in zip(right, taken, strict=True)),
        recall=tuple(float(a / objects) if objects else None for a in right),
        f1=tuple(float(2 * a / (b + objects)) if objects else None for a, b in zip(right, taken, strict=True)),
    )


def average(accuracy: Accuracy) -> ScoreCurves:
    """The mean over the classes that have objects, each figure over the classes for which it exists."""
    curves = [compute(item) for item in accuracy.by_class.values() if item.objects]
    return ScoreCurves(*(_average(curves, choose) for choose in _FIGURES.values()))


_FIGURES: dict[str, Callable[[ScoreCurves], Shares]] = {
    "precision": lambda curves: curves.precision,
    "recall": lambda curves: curves.recall,
    "F1": lambda curves: curves.f1,
}


def name_curves(curves: ScoreCurves) -> dict[str, Shares]:
    """The three curves by their names."""
    return {name: choose(curves) for name, choose in _FIGURES.items()}


def average_precision_by_recall(accuracy: Accuracy) -> list[float]:
    """Precision at IoU .5 and each of COCO's recalls, mean over the classes that have objects."""
    rows = [item.precision[0] for item in accuracy.by_class.values() if item.objects]
    return [float(value) for value in np.mean(rows, axis=0)] if rows else []


def _average(curves: Sequence[ScoreCurves], choose: Callable[[ScoreCurves], Shares]) -> Shares:
    return tuple(_mean(column) for column in zip(*map(choose, curves), strict=True))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
