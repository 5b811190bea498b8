from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def test_a_resizer_that_gives_many_sizes_costs_two_traces(api: Any) -> None:
    """What resizers of a Faster R-CNN do that keep an image's shape and do not pad it."""
    from odtool.engine.detect.tensorflow_detectors import CheckpointDetector

    traced = []

    def find(pixels: Any, shapes: Any) -> list[Any]:
        traced.append(pixels.shape)
        number = api.shape(pixels)[0]
        bright = api.reduce_mean(pixels, axis=(1, 2, 3))
        boxes = api.tile([[[0.0, 0.0, 0.5, 1.0]]], [number, 1, 1])
        return [boxes, api.zeros([number, 1]), bright[:, api.newaxis], api.ones([number])]

    def prepare(image: Any) -> tuple[Any, Any]:
        return api.cast(image, api.float32)[api.newaxis] / 255, api.zeros([1, 3], api.int32)

    detector = CheckpointDetector(prepare, find, {1: "bright"})
    pictures: list[NDArray[np.uint8]] = [np.full((8, width, 3), 10 * width, np.uint8) for width in (8, 9, 10, 11, 11)]
    found = detector.detect(pictures)
    assert len(traced) == 2
    assert [each.width for each in found] == [8, 9, 10, 11, 11]
    np.testing.assert_allclose([each.scores[0] for each in found], np.array([80, 90, 100, 110, 110]) / 255, atol=1e-6)
