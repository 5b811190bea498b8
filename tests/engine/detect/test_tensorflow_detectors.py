from __future__ import annotations

from typing import Any

import numpy as np
import pytest
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


@pytest.mark.parametrize("is_counted", [False, True], ids=["shape", "loop"])
def test_a_model_that_has_to_know_the_size_of_a_batch_gets_one_image_at_a_time(api: Any, is_counted: bool) -> None:
    """As Mask R-CNN with a feature pyramid, which crops its proposals by a shape, and CenterNet with keypoints, which
    counts its images in Python."""
    from odtool.engine.detect.tensorflow_detectors import CheckpointDetector

    def find(pixels: Any, shapes: Any) -> list[Any]:
        # Both are refused where the size is not known: a ValueError and a TypeError.
        size = (
            len(range(pixels.shape[0] or api.shape(pixels)[0]))
            if is_counted
            else api.convert_to_tensor(pixels.shape)[0]
        )
        bright = api.reduce_mean(pixels, axis=(1, 2, 3))
        boxes = api.tile([[[0.0, 0.0, 0.5, 1.0]]], [size, 1, 1])
        masks = api.ones([size, 1, 5, 7])
        return [boxes, api.zeros([size, 1]), bright[:, api.newaxis], api.ones([size]), masks]

    def prepare(image: Any) -> tuple[Any, Any]:
        return api.cast(image, api.float32)[api.newaxis] / 255, api.zeros([1, 3], api.int32)

    detector = CheckpointDetector(prepare, find, {1: "bright"})
    pictures: list[NDArray[np.uint8]] = [np.full((8, 8, 3), shade, np.uint8) for shade in (80, 120, 160)]
    found = detector.detect(pictures)
    assert not detector.takes_batches
    np.testing.assert_allclose([each.scores[0] for each in found], np.array([80, 120, 160]) / 255, atol=1e-6)
    for each in found:
        assert each.masks is not None
        assert each.masks[0].parts[0].grid.shape == (5, 7)


def test_masks_are_laid_out_as_the_api_lays_them_out(api: Any) -> None:
    from object_detection.utils import ops

    from odtool.detection import instance_masks

    chance = np.random.default_rng(0)
    width, height = 90, 70
    grids = chance.random((12, 15, 17), np.float32)
    corners = chance.uniform(-0.1, 0.7, (12, 2))
    boxes = np.concatenate([corners, corners + chance.uniform(0.05, 0.5, (12, 2))], 1).astype(np.float32)
    wanted = ops.reframe_box_masks_to_image_masks(grids, boxes, height, width).numpy() > 0.5
    for grid, (ymin, xmin, ymax, xmax), pixels in zip(grids, boxes.tolist(), wanted, strict=True):
        box = (xmin * width, ymin * height, xmax * width, ymax * height)
        laid_out = instance_masks.draw(instance_masks.make_mask(grid, box, width, height), (0, 0, width, height))
        assert (laid_out != pixels).sum() <= 2  # whose values are a half but for the last bit
    assert wanted.sum() > 500
