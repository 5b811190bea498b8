"""Kinds of mistakes: each by an image that shows it, and all together against COCO's own matching."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from odtool.detection.accuracy import compute_coco_metrics
from odtool.reporting import mistakes
from odtool.reporting.detections_file import ExaminedImage
from odtool.reporting.mistakes import judge

HERE = (10, 10, 60, 60)
NEAR = (12, 10, 62, 60)
HALF = (40, 10, 90, 60)
AWAY = (120, 120, 170, 170)
ALL = {1: 0.5, 2: 0.5}
Make = Callable[..., ExaminedImage]


@pytest.mark.parametrize(
    ("objects", "detected", "kinds", "fates"),
    [
        ([(1, HERE)], [(1, NEAR, 0.9)], ["correct"], ["correct"]),
        ([(1, HERE)], [(1, NEAR, 0.4)], [], ["missed"]),
        ([(1, HERE)], [], [], ["missed"]),
        ([(1, HERE)], [(1, NEAR, 0.9), (1, HERE, 0.8)], ["correct", "duplicate"], ["correct"]),
        ([(1, HERE)], [(2, NEAR, 0.9)], ["wrong class"], ["wrong class"]),
        ([(1, HERE)], [(1, HALF, 0.9)], ["badly placed"], ["badly placed"]),
        ([(1, HERE)], [(2, HALF, 0.9)], ["background"], ["missed"]),
        ([(1, HERE)], [(1, AWAY, 0.9)], ["background"], ["missed"]),
        ([], [(1, HERE, 0.9)], ["background"], []),
        ([(1, HERE, True)], [(1, (20, 20, 40, 40), 0.9)], ["ignored"], ["ignored"]),
        ([(1, HERE, True)], [(2, HERE, 0.9)], ["background"], ["ignored"]),
        ([(1, HERE), (2, HERE)], [(1, NEAR, 0.9), (2, NEAR, 0.8)], ["correct", "correct"], ["correct", "correct"]),
        # The surest comes first, whatever the order they are in.
        ([(1, HERE)], [(1, NEAR, 0.6), (1, HERE, 0.7)], ["correct", "duplicate"], ["correct"]),
    ],
)
def test_an_image_of_each_kind(image: Make, objects: Any, detected: Any, kinds: Any, fates: Any) -> None:
    verdict = judge(image(objects, detected), ALL)
    assert list(verdict.kinds) == kinds
    assert list(verdict.objects) == fates


def test_a_mistake_that_explains_a_missed_object_counts_once(image: Make) -> None:
    assert judge(image([(1, HERE)], [(2, NEAR, 0.9)]), ALL).mistakes == 1
    assert judge(image([(1, HERE), (1, AWAY)], [(2, NEAR, 0.9)]), ALL).mistakes == 2
    assert judge(image([(1, HERE)], [(1, HERE, 0.9)]), ALL).mistakes == 0


def test_a_class_without_a_threshold_is_not_taken(image: Make) -> None:
    assert judge(image([], [(3, HERE, 0.9)]), ALL).kinds == ()


def test_what_is_correct_is_what_coco_matches(image: Make) -> None:
    chance = np.random.default_rng(3)
    images = []
    for key in range(60):
        corners = chance.uniform(0, 120, (8, 2))
        boxes = np.concatenate([corners, corners + chance.uniform(20, 60, (8, 2))], 1)
        objects = [(int(chance.integers(1, 3)), box, chance.random() < 0.2) for box in boxes]
        detected = [
            (int(chance.integers(1, 3)), box + chance.normal(0, 6, 4), chance.random())
            for box in np.repeat(boxes, 3, 0)
        ]
        images.append(image(objects, detected, key))
    accuracy = compute_coco_metrics([each.truth for each in images], [each.detections for each in images])
    verdicts = [judge(each, {1: 0.3, 2: 0.6}) for each in images]
    for number, threshold in ((1, 0.3), (2, 0.6)):
        kinds = [
            kind
            for verdict in verdicts
            for index, kind in zip(verdict.accepted, verdict.kinds, strict=True)
            if verdict.image.detections.classes[index] == number and kind != "ignored"
        ]
        item = accuracy.by_class[number]
        assert len(kinds) == (item.scores >= np.float32(threshold)).sum()
        assert kinds.count("correct") == item.correct[item.scores >= np.float32(threshold)].sum()
        found = sum(
            (np.array(each.objects) == "correct")[each.image.truth.classes == number].sum() for each in verdicts
        )
        assert found == kinds.count("correct")


def test_overlaps_of_boxes_without_area_are_none() -> None:
    flat = np.array([[5, 5, 5, 5]], np.float32)
    assert mistakes.compute_overlaps(flat, flat).tolist() == [[0.0]]
    assert mistakes.compute_overlaps(np.zeros((0, 4), np.float32), flat).shape == (0, 1)
