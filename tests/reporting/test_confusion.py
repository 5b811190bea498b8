"""Which class is taken for which, and how well objects are counted."""

from __future__ import annotations

from collections.abc import Callable

from odtool.reporting import confusion
from odtool.reporting.detections_file import ExaminedImage
from odtool.reporting.mistakes import judge

HERE, NEAR, AWAY = (10, 10, 60, 60), (12, 10, 62, 60), (120, 120, 170, 170)
ALL = {1: 0.5, 2: 0.5}
Make = Callable[..., ExaminedImage]


def test_every_object_and_every_detection_is_counted_once(image: Make) -> None:
    verdicts = [
        judge(image([(1, HERE)], [(1, HERE, 0.9), (1, NEAR, 0.8)]), ALL),  # found, and a duplicate
        judge(image([(1, HERE)], [(2, NEAR, 0.9), (2, HERE, 0.6)]), ALL),  # twice of a wrong class
        judge(image([(1, HERE), (2, AWAY)], [(2, HERE, 0.9)]), ALL),  # of a wrong class, and one missed
        judge(image([(1, HERE, True)], [(1, HERE, 0.9)]), ALL),  # a crowd counts neither way
    ]
    assert confusion.count_pairs(verdicts) == {(1, 1): 1, (0, 1): 1, (1, 2): 2, (0, 2): 1, (2, 0): 1}


def test_a_wrong_class_on_an_object_that_is_found_is_background(image: Make) -> None:
    verdict = judge(image([(1, HERE)], [(1, HERE, 0.9), (2, NEAR, 0.8)]), ALL)
    assert confusion.count_pairs([verdict]) == {(1, 1): 1, (0, 2): 1}


def test_counts_are_compared_image_by_image(image: Make) -> None:
    verdicts = [
        judge(image([(1, HERE)], [(1, HERE, 0.9), (1, AWAY, 0.8)]), ALL),
        judge(image([(1, HERE), (1, AWAY)], []), ALL),
        judge(image([], []), ALL),
        judge(image([(1, HERE, True)], [(1, AWAY, 0.9)]), ALL),
    ]
    counted = confusion.count_objects(verdicts, [1, 2])
    assert counted[1].pairs == {(1, 2): 1, (2, 0): 1, (0, 0): 1}
    assert (counted[1].mean_absolute_error, counted[1].bias) == (1.0, -1 / 3)
    assert (counted[1].images, counted[1].left_out) == (3, 1)
    assert (counted[2].mean_absolute_error, counted[2].images) == (0.0, 4)
    assert confusion.count_objects([], [1])[1].mean_absolute_error is None
