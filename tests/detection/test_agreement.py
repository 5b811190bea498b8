"""Agreement of two detectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.detection import agreement, instance_masks
from odtool.detection.detector import Detections

Found = tuple[tuple[float, float, float, float], int, float]


def image(*found: Found) -> Detections:
    boxes, classes, scores = zip(*found, strict=True) if found else ((), (), ())
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(classes, np.int64),
        100,
        100,
    )


LEFT, RIGHT, NEAR_LEFT = (0, 0, 10, 10), (50, 0, 60, 10), (1, 0, 11, 10)


def test_the_same_detections_agree_wholly() -> None:
    found = agreement.compare([image((LEFT, 1, 0.9), (RIGHT, 2, 0.8))], [image((NEAR_LEFT, 1, 0.7), (RIGHT, 2, 0.9))])
    assert (found.found, found.confirmed, found.least) == (1, 1, 1)
    assert (found.reference, found.other) == (2, 2)


@pytest.mark.parametrize(
    "other", [(RIGHT, 1, 0.9), (LEFT, 2, 0.9), (LEFT, 1, 0.1)], ids=["elsewhere", "another class", "hardly sure"]
)
def test_another_place_class_or_a_low_score_is_no_agreement(other: Found) -> None:
    assert agreement.compare([image((LEFT, 1, 0.9))], [image(other)]).found == 0


def masked(grid: list[list[float]]) -> Detections:
    found = image((LEFT, 1, 0.9))
    mask = instance_masks.make_mask(np.array(grid, np.float32), LEFT, 100, 100)
    return Detections(found.boxes, found.scores, found.classes, 100, 100, (mask,))


def test_of_two_in_one_place_the_masks_have_to_overlap_too() -> None:
    left, right, nearly_left = ([[1, share, 0]] * 3 for share in (0.4, 0, 0.5))
    right = [row[::-1] for row in right]
    assert agreement.compare([masked(left)], [masked(nearly_left)]).found == 1
    assert agreement.compare([masked(left)], [masked(right)]).found == 0
    assert agreement.compare([masked(left)], [image((LEFT, 1, 0.9))]).found == 0
    nothing = [[0.0] * 4] * 4
    assert agreement.compare([masked(nothing)], [masked(nothing)]).found == 1
    assert agreement.compare([masked(left)], [masked(nothing)]).found == 0
    assert agreement.compare([image((LEFT, 1, 0.9))], [masked(left)]).found == 1


def test_a_score_just_below_the_least_is_a_partner_still() -> None:
    found = agreement.compare([image((LEFT, 1, 0.31))], [image((LEFT, 1, 0.29))])
    assert (found.found, found.reference, found.other) == (1, 1, 0)


def test_each_detection_is_a_partner_once() -> None:
    found = agreement.compare([image((LEFT, 1, 0.9))], [image((LEFT, 1, 0.9), (NEAR_LEFT, 1, 0.8))])
    assert (found.found, found.confirmed) == (1, 0.5)


def test_an_unsure_reference_is_compared_by_its_best() -> None:
    unsure = [image((LEFT, 1, 0.02), (RIGHT, 1, 0.01)), image((LEFT, 1, 0.03))]
    found = agreement.compare(unsure, [image((LEFT, 1, 0.02)), image()])
    assert found.min_score == pytest.approx(0.02)
    assert found.found == 0.5


def test_nothing_found_by_either_is_agreement() -> None:
    assert agreement.compare([image()], [image()]).least == 1
    assert agreement.compare([], []).least == 1


@given(
    st.lists(
        st.tuples(
            st.tuples(*[st.floats(0, 40, width=32)] * 2, *[st.floats(50, 90, width=32)] * 2),
            st.integers(1, 3),
            st.floats(0, 1, width=32),
        ),
        max_size=6,
    )
)
def test_a_detector_agrees_with_itself(found: list[Found]) -> None:
    assert agreement.compare([image(*found)], [image(*found)]).least == 1
