"""Precision, recall and F1 at each score are those of counting the detections that reach it."""

from __future__ import annotations

import numpy as np
import pytest

from odtool.detection.accuracy import Accuracy, ClassAccuracy, CocoFigures
from odtool.reporting import score_curves

NO_FIGURES = CocoFigures(*[None] * 12)


def make_class(scores: list[float], correct: list[bool], objects: int) -> ClassAccuracy:
    precision = np.full((10, 101), 0.5 if objects else -1.0)
    return ClassAccuracy(NO_FIGURES, objects, 1, precision, np.array(scores), np.array(correct, bool))


def test_every_value_is_what_counting_gives() -> None:
    chance = np.random.default_rng(0)
    scores = np.sort(chance.random(60).round(2))[::-1]
    correct = chance.random(60) < 0.6
    curves = score_curves.compute(make_class(scores.tolist(), correct.tolist(), 50))
    for index, score in enumerate(score_curves.SCORES):
        taken = scores >= score
        right = int(correct[taken].sum())
        assert curves.recall[index] == pytest.approx(right / 50)
        assert curves.precision[index] == (pytest.approx(right / taken.sum()) if taken.any() else None)
        assert curves.f1[index] == pytest.approx(2 * right / (taken.sum() + 50))


def test_without_detections_there_is_recall_but_no_precision() -> None:
    curves = score_curves.compute(make_class([], [], 3))
    assert set(curves.precision) == {None}
    assert set(curves.recall) == {0.0}


def test_without_objects_there_is_nothing_to_find() -> None:
    curves = score_curves.compute(make_class([0.9], [False], 0))
    assert set(curves.recall) == set(curves.f1) == {None}
    assert curves.find_best() is None


def test_the_mean_is_over_classes_with_objects() -> None:
    classes = {1: make_class([0.8], [True], 1), 2: make_class([0.4], [True], 2), 3: make_class([0.9], [False], 0)}
    mean = score_curves.average(Accuracy(NO_FIGURES, classes))
    assert mean.recall[0] == pytest.approx((1 + 0.5) / 2)
    assert mean.precision[60] == 1  # of the first class alone
    assert mean.find_best() == (0.2, pytest.approx((1 + 2 / 3) / 2))
    assert score_curves.average_precision_by_recall(Accuracy(NO_FIGURES, classes)) == [0.5] * 101
