"""The score that makes F1 largest, held against trying every score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from odtool.detection.accuracy import Accuracy, compute_coco_metrics
from odtool.reporting import score_thresholds
from odtool.reporting.detections_file import ExaminedImage

HERE, AWAY = (10, 10, 60, 60), (120, 120, 170, 170)
Make = Callable[..., ExaminedImage]


def accuracy(*images: ExaminedImage, classes: tuple[int, ...] = (1,)) -> Accuracy:
    return compute_coco_metrics([each.truth for each in images], [each.detections for each in images], classes)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_threshold_gives_a_higher_f1(image: Make, seed: int) -> None:
    chance = np.random.default_rng(seed)
    images = [
        image(
            [(1, HERE)] if chance.random() < 0.8 else [],
            [(1, box, round(chance.random(), 1)) for box in (HERE, AWAY) if chance.random() < 0.7],
            key,
        )
        for key in range(40)
    ]
    found = accuracy(*images)
    item, point = found.by_class[1], score_thresholds.find_best_points(found)[1]
    tried = []
    for score in set(item.scores.tolist()):
        correct, taken = item.correct[item.scores >= score].sum(), (item.scores >= score).sum()
        tried.append(2 * correct / (taken + item.objects))
    assert point.f1 == pytest.approx(max(tried))
    assert point.correct + point.missed == item.objects
    assert point.precision == pytest.approx(point.correct / (point.correct + point.wrong))


def test_the_threshold_has_few_digits_and_lies_between_the_scores(image: Make) -> None:
    found = accuracy(image([(1, HERE)], [(1, HERE, 0.8123), (1, AWAY, 0.3456)]))
    assert score_thresholds.find_best_points(found)[1].threshold == 0.58
    close = accuracy(image([(1, HERE)], [(1, HERE, 0.80001), (1, AWAY, 0.8)]))
    assert np.float32(0.8) < score_thresholds.find_best_points(close)[1].threshold <= np.float32(0.80001)


def test_a_threshold_is_shown_with_all_digits_that_it_needs(image: Make) -> None:
    point = score_thresholds.find_best_points(
        accuracy(image([(1, HERE)], [(1, HERE, 0.1234567), (1, AWAY, 0.1234566)]))
    )[1]
    assert np.float32(0.1234566) < np.float32(point.shown_threshold) <= np.float32(0.1234567)
    assert replace(point, threshold=1.0).shown_threshold == "1"
    assert replace(point, threshold=0.58).shown_threshold == "0.58"


def test_a_class_that_is_never_right_keeps_the_fallback(image: Make) -> None:
    points = score_thresholds.find_best_points(accuracy(image([(1, HERE)], [(1, AWAY, 0.9)]), classes=(1, 2)))
    assert points[1].threshold == points[2].threshold == score_thresholds.FALLBACK
    assert (points[1].f1, points[1].wrong, points[1].missed) == (0.0, 1, 1)
    assert (points[2].f1, points[2].recall, points[2].precision) == (None, None, None)
