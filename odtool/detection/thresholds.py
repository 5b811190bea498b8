"""Scores that detections must have, for all classes or for single ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from odtool.errors import DataError

if TYPE_CHECKING:
    from odtool.detection.detector import Detections

USUAL = 0.5
BEST = "best"
"""In place of a score: each class's own, as odtool report has found it."""


@dataclass(frozen=True)
class Thresholds:
    """The lowest score of a detection that counts."""

    default: float = USUAL
    by_label: Mapping[str, float] = field(default_factory=dict)
    """Of the classes that have one of their own."""
    best: bool = False
    """Whether all other classes take those that the model carries, which odtool report has found."""

    @property
    def lowest(self) -> float:
        return min((self.default, *self.by_label.values()))

    def complete(self, carried: Mapping[str, float], model: str) -> Thresholds:
        """With those that a model carries, where they are asked for.

        Args:
            carried: by class.
            model: what it is called in the error.

        Raises:
            DataError: it carries none.
        """
        if not self.best:
            return self
        if not carried:
            raise DataError(
                f"--min-score best: {model} carries no thresholds",
                "Find them first: odtool report RUN; and have an export carry them: odtool export RUN",
            )
        return Thresholds(self.default, {**carried, **self.by_label})

    def for_labels(self, labels: Mapping[int, str]) -> Mapping[int, float]:
        """Those of single classes by their ids.

        Raises:
            DataError: a class is none of the model's.
        """
        ids = {label: number for number, label in labels.items()}
        for label in self.by_label:
            if label not in ids:
                available = ", ".join(list(ids)[:20]) + (", ..." if len(ids) > 20 else "")
                raise DataError(f"--min-score {label}: the model has no such class", f"Its classes: {available}")
        return {ids[label]: score for label, score in self.by_label.items()}


def parse(values: Sequence[str]) -> Thresholds:
    """Of texts such as '0.4', 'car=0.3' and 'best'.

    Raises:
        DataError: one is neither, or not from 0 to 1.
    """
    default, by_label, best = USUAL, {}, False
    for value in values:
        if value == BEST:
            best = True
            continue
        label, equals, text = value.rpartition("=")
        try:
            score = float(text)
        except ValueError:
            score = -1.0
        if not 0 <= score <= 1 or bool(equals) != bool(label):
            raise DataError(f"'{value}' is not a score from 0 to 1", "Write 0.4, car=0.3, or best.")
        if label:
            by_label[label] = score
        else:
            default = score
    return Thresholds(default, by_label, best)


def select_surest(detections: Detections, default: float, by_class: Mapping[int, float]) -> Detections:
    """The detections that reach the score of their class."""
    import numpy as np

    needed = np.full(len(detections), default, np.float32)
    for number, score in by_class.items():
        needed[detections.classes == number] = score
    return detections.select(np.flatnonzero(detections.scores >= needed))
