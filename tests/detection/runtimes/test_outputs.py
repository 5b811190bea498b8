"""Detections from what models give."""

from __future__ import annotations

import numpy as np

from odtool.detection.runtimes.outputs import build_detections

BOXES = np.array([[0.1, 0.2, 0.5, 0.6], [0, 0, 0, 0], [-0.5, 0.5, 1.5, 1.5], [0, 0, 1, 1]], np.float32)
SCORES = np.array([0.5, 0.9, 0.8, 0.1], np.float32)
CLASSES = np.array([1, 2, 3, 1])


def test_boxes_are_in_pixels_best_first_within_the_image_and_never_empty() -> None:
    found = build_detections(BOXES, CLASSES, SCORES, width=200, height=100, min_score=0.2)
    np.testing.assert_allclose(found.boxes, [[100, 0, 200, 100], [40, 10, 120, 50]], atol=1e-4)
    assert found.classes.tolist() == [3, 1]
    np.testing.assert_allclose(found.scores, [0.8, 0.5])
    assert (found.width, found.height, len(found)) == (200, 100, 2)


def test_the_padding_of_an_input_is_taken_off() -> None:
    # The image fills the upper half of a square input.
    found = build_detections(BOXES[:1], CLASSES[:1], SCORES[:1], width=200, height=100, scale=(2.0, 1.0))
    np.testing.assert_allclose(found.boxes, [[40, 20, 120, 100]], atol=1e-4)
