"""Scores that detections must have, for all classes or for single ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from odtool.errors import DataError

if TYPE_CHECKING:
    from odtool.detection.detector import Detections

USUAL = 0.5


@dataclass(frozen=True)
class Thresholds:
    """The lowest score of a detection that counts."""

    default: float = USUAL
    by_label: Mapping[str, float] = field(default_factory=dict)
    """Of the classes that have one of their own."""

    @property
    def lowest(self) -> float:
        return min((self.default, *self.by_label.values()))

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
    """Of texts such as '0.4' and 'car=0.3'.

    Raises:
        DataError: one is neither, or not from 0 to 1.
    """
    default, by_label = USUAL, {}
    for value in values:
        label, _, text = value.rpartition("=")
        try:
            score = float(text)
        except ValueError:
            score = -1.0
        if not 0 <= score <= 1:
            raise DataError(f"'{value}' is not a score from 0 to 1", "Write 0.4, or car=0.3.")
        if label:
            by_label[label] = score
        else:
            default = score
    return Thresholds(default, by_label)


def select_surest(detections: Detections, default: float, by_class: Mapping[int, float]) -> Detections:
    """The detections that reach the score of their class."""
    import numpy as np

    needed = np.full(len(detections), default, np.float32)
    for number, score in by_class.items():
        needed[detections.classes == number] = score
    return detections.select(np.flatnonzero(detections.scores >= needed))
