"""Matching in blocks gives what the API's own target assignment gives."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("api")


@pytest.fixture(params=["forced", "thresholds apart", "low ones ignored", "proposals"])
def assigner(request: pytest.FixtureRequest) -> Any:
    from object_detection.box_coders.faster_rcnn_box_coder import FasterRcnnBoxCoder
    from object_detection.core.region_similarity_calculator import IouSimilarity
    from object_detection.core.target_assigner import TargetAssigner, create_target_assigner
    from object_detection.matchers.argmax_matcher import ArgMaxMatcher

    if request.param == "proposals":
        return create_target_assigner("FasterRCNN", "proposal")
    matcher = {
        "forced": ArgMaxMatcher(0.5, 0.5, force_match_for_each_row=True, use_matmul_gather=True),
        "thresholds apart": ArgMaxMatcher(0.6, 0.3),
        "low ones ignored": ArgMaxMatcher(
            0.6, 0.3, negatives_lower_than_unmatched=False, force_match_for_each_row=True
        ),
    }[request.param]
    return TargetAssigner(IouSimilarity(), matcher, FasterRcnnBoxCoder())


class Detector:
    """Has a target assigner among its attributes, as the API's models have."""

    def __init__(self, assigner: Any) -> None:
        self._target_assigner = assigner


def in_blocks(assigner: Any, *, whole: int = 0, block: int = 64) -> Any:
    from odtool.engine.match.block_matcher import match_in_blocks

    detector = Detector(copy.copy(assigner))
    match_in_blocks(detector, whole=whole, block=block)
    return detector._target_assigner


def scene(api: Any, seed: int, boxes: int, anchors: int = 150) -> tuple[Any, ...]:
    """Coordinates on a coarse grid, so that many overlaps are equal; the last boxes are padding and weigh nothing."""
    import numpy as np

    rng = np.random.default_rng(seed)

    def corners(count: int) -> Any:
        low, side = rng.integers(0, 6, (count, 2)), rng.integers(1, 4, (count, 2))
        return np.concatenate([low, low + side], 1).astype(np.float32) / 10

    truth, weights = corners(boxes), np.ones(boxes, np.float32)
    padding = boxes // 4
    if padding:
        truth[-padding:], weights[-padding:] = 0, 0
    labels = np.eye(3, dtype=np.float32)[rng.integers(1, 3, boxes)]
    return api.constant(truth), api.constant(corners(anchors)), api.constant(labels), api.constant(weights)


def assign(api: Any, assigner: Any, scene: tuple[Any, ...]) -> list[Any]:
    from object_detection.core.box_list import BoxList

    truth, anchors, labels, weights = scene
    return list(
        assigner.assign(
            BoxList(anchors), BoxList(truth), labels, api.constant([1.0, 0.0, 0.0]), groundtruth_weights=weights
        )
    )


@pytest.mark.parametrize("boxes", [1, 40])
def test_targets_are_the_stock_ones_with_ties_and_forced_matches(api: Any, assigner: Any, boxes: int) -> None:
    for seed in range(2):
        drawn = scene(api, seed, boxes)
        stock = assign(api, assigner, drawn)
        ours = assign(api, in_blocks(assigner), drawn)
        for theirs, own in zip(stock, ours, strict=True):
            assert own.shape == theirs.shape
            assert (own.numpy() == theirs.numpy()).all()


def test_forced_matches_are_among_what_is_compared(api: Any) -> None:
    import numpy as np
    from object_detection.core.target_assigner import create_target_assigner

    stock = create_target_assigner("FasterRCNN", "proposal")
    free = copy.copy(stock)
    free._matcher = copy.copy(stock._matcher)
    free._matcher._force_match_for_each_row = False
    drawn = scene(api, 0, 40)
    assert np.any(assign(api, stock, drawn)[-1] != assign(api, free, drawn)[-1])


@pytest.mark.parametrize("boxes", [0, 33])
def test_a_number_of_boxes_that_only_the_step_knows(api: Any, assigner: Any, boxes: int) -> None:
    drawn = scene(api, 5, boxes)
    unknown = [api.TensorSpec([None, *tensor.shape[1:]], tensor.dtype) for tensor in drawn]

    def traced(one: Any) -> Callable[..., Any]:
        return api.function(lambda *parts: assign(api, one, parts), input_signature=unknown)  # type: ignore[no-any-return]

    for theirs, own in zip(traced(assigner)(*drawn), traced(in_blocks(assigner))(*drawn), strict=True):
        assert (own.numpy() == theirs.numpy()).all()


def test_few_pairs_are_left_to_the_api(api: Any, assigner: Any) -> None:
    drawn = scene(api, 1, 10)
    stock = assign(api, assigner, drawn)
    ours = assign(api, in_blocks(assigner, whole=10 * 150, block=0), drawn)
    assert all((own.numpy() == theirs.numpy()).all() for theirs, own in zip(stock, ours, strict=True))
