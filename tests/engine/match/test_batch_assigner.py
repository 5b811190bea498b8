"""Assigning for a batch at once gives what the API's own target assignment gives image by image."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("api")

ANCHORS = 160
"""A multiple of 16: anchors that do not fill a vector of the processor have their logarithms rounded differently."""
WHOLE, BY_IMAGES, BY_ANCHORS = 2**30, ANCHORS * 45, 64
"""Blocks: all images, two of 20 boxes, three anchors and 20 boxes."""


def make_assigner(kind: str) -> Any:
    from object_detection.box_coders.faster_rcnn_box_coder import FasterRcnnBoxCoder
    from object_detection.box_coders.keypoint_box_coder import KeypointBoxCoder
    from object_detection.core.region_similarity_calculator import (
        IoaSimilarity,
        IouSimilarity,
        ThresholdedIouSimilarity,
    )
    from object_detection.core.target_assigner import TargetAssigner, create_target_assigner
    from object_detection.matchers.argmax_matcher import ArgMaxMatcher

    def build(matcher: Any, measure: Any = None, coder: Any = None, negative: float = 1.0) -> Any:
        return TargetAssigner(measure or IouSimilarity(), matcher, coder or FasterRcnnBoxCoder(), negative)

    forced = ArgMaxMatcher(0.5, 0.5, force_match_for_each_row=True, use_matmul_gather=True)
    low_ones_ignored = ArgMaxMatcher(0.6, 0.3, negatives_lower_than_unmatched=False, force_match_for_each_row=True)
    assigners = {
        "forced": lambda: build(forced, negative=0.5),
        "thresholds apart": lambda: build(ArgMaxMatcher(0.6, 0.3)),
        "low ones ignored": lambda: build(low_ones_ignored),
        "no threshold": lambda: build(ArgMaxMatcher(None)),
        "threshold of zero": lambda: build(ArgMaxMatcher(0.0, force_match_for_each_row=True)),
        "area": lambda: build(forced, IoaSimilarity()),
        "scores": lambda: build(forced, ThresholdedIouSimilarity(0.2)),
        "keypoints": lambda: build(forced, coder=KeypointBoxCoder(3)),
        "proposals": lambda: create_target_assigner("FasterRCNN", "proposal"),
        "detections": lambda: create_target_assigner("FasterRCNN", "detection", use_matmul_gather=True),
    }
    return assigners[kind]()


KINDS = (
    "forced",
    "thresholds apart",
    "low ones ignored",
    "no threshold",
    "threshold of zero",
    "area",
    "scores",
    "keypoints",
    "proposals",
    "detections",
)


class Scene:
    """Coordinates on a coarse grid, so that many overlaps are equal; some boxes weigh nothing, others in part."""

    def __init__(
        self,
        seed: int,
        counts: Sequence[int],
        *,
        anchors: int = ANCHORS,
        label: Sequence[int] = (3,),
        per_image: bool = False,
    ) -> None:
        import numpy as np

        self._rng = np.random.default_rng(seed)
        self.counts = list(counts)
        self.anchors = [self.corners(anchors) for _ in (counts if per_image else [0])]
        self.boxes = [self.corners(count) for count in counts]
        self.labels = [self._rng.integers(0, 2, (count, *label)).astype(np.float32) for count in counts]
        self.weights = [self._rng.choice([0, 0.5, 1, 1], count).astype(np.float32) for count in counts]
        self.keypoints = [self._rng.uniform(0, 1, (count, 3, 2)).astype(np.float32) for count in counts]
        self.unmatched = self._rng.uniform(0, 1, label).astype(np.float32)

    def corners(self, count: int) -> Any:
        import numpy as np

        low, side = self._rng.integers(0, 6, (count, 2)), self._rng.integers(1, 4, (count, 2))
        return np.concatenate([low, low + side], 1).astype(np.float32) / 10

    def pad(self, values: Sequence[Any], rows: int) -> Any:
        import numpy as np

        padded = np.zeros((len(values), rows, *values[0].shape[1:]), np.float32)
        for image, value in enumerate(values):
            padded[image, : len(value)] = value
        return padded


def assign_as_the_api(assigner: Any, scene: Scene) -> list[Any]:
    import tensorflow as tf
    from object_detection.core.box_list import BoxList
    from object_detection.core.target_assigner import batch_assign_targets

    boxes = [BoxList(tf.constant(corners)) for corners in scene.boxes]
    for boxlist, points in zip(boxes, scene.keypoints, strict=True):
        boxlist.add_field("keypoints", tf.constant(points))
    anchors = [BoxList(tf.constant(corners)) for corners in scene.anchors]
    weights = [tf.constant(weight) for weight in scene.weights]
    labels = [tf.constant(label) for label in scene.labels]
    results = batch_assign_targets(
        assigner, anchors[0] if len(anchors) == 1 else anchors, boxes, labels, tf.constant(scene.unmatched), weights
    )
    return [result.numpy() for result in results]


class AtOnce:
    """Assigns for a batch, traced once with numbers of boxes and anchors that only the step knows."""

    def __init__(self, assigner: Any, block: int) -> None:
        import tensorflow as tf

        from odtool.engine.match.batch_assigner import BatchAssigner

        self._assigner = BatchAssigner(assigner, block=block)
        self._traced = tf.function(self._assign, autograph=False, reduce_retracing=True)

    def _assign(self, anchors: Any, unmatched: Any, *parts: Any) -> list[Any]:
        from odtool.engine.match.batch_assigner import Targets

        return list(self._assigner.assign_batch(anchors, Targets(*parts), unmatched))

    def __call__(self, scene: Scene, rows: int, *, padding_counts: bool = False) -> list[Any]:
        import tensorflow as tf

        boxes, labels, weights, keypoints = (
            tf.constant(scene.pad(part, rows)) for part in (scene.boxes, scene.labels, scene.weights, scene.keypoints)
        )
        real = tf.sequence_mask([rows] * len(scene.counts) if padding_counts else scene.counts, rows)
        parts = (tf.constant(scene.anchors), tf.constant(scene.unmatched), boxes, real, labels, weights, keypoints)
        return [value.numpy() for value in self._traced(*parts)]


def assert_equal(stock: list[Any], own: list[Any]) -> None:
    names = ("classes", "class weights", "boxes", "box weights", "match")
    for name, theirs, ours in zip(names, stock, own, strict=True):
        assert (theirs.shape, theirs.dtype) == (ours.shape, ours.dtype), name
        assert (theirs == ours).all(), name


@pytest.mark.parametrize("block", [WHOLE, BY_IMAGES, BY_ANCHORS])
@pytest.mark.parametrize("kind", KINDS)
def test_targets_are_the_stock_ones_with_ties_forced_matches_and_weights(kind: str, block: int) -> None:
    import numpy as np

    rng = np.random.default_rng(KINDS.index(kind))
    assigner = make_assigner(kind)
    at_once = AtOnce(assigner, block)
    for seed in range(6):
        scene = Scene(seed, [3, 0, *rng.integers(0, 21, 3)], per_image=seed % 2 == 1)
        assert_equal(assign_as_the_api(assigner, scene), at_once(scene, 20))


@pytest.mark.parametrize("kind", KINDS)
def test_padding_that_counts_as_boxes_changes_nothing_the_api_would_not(kind: str) -> None:
    assigner = make_assigner(kind)
    scene = Scene(1, (2, 0, 9))
    at_once = AtOnce(assigner, WHOLE)(scene, 12, padding_counts=True)
    for name in ("boxes", "labels", "weights", "keypoints"):
        setattr(scene, name, list(scene.pad(getattr(scene, name), 12)))
    assert_equal(assign_as_the_api(assigner, scene), at_once)


@pytest.mark.parametrize("block", [WHOLE, BY_ANCHORS])
def test_a_batch_without_boxes(block: int) -> None:
    for kind in ("low ones ignored", "forced"):
        assigner = make_assigner(kind)
        scene = Scene(0, (0, 0))
        assert_equal(assign_as_the_api(assigner, scene), AtOnce(assigner, block)(scene, 0))


def test_masks_as_labels() -> None:
    assigner = make_assigner("detections")
    scene = Scene(0, (4, 1, 0), label=(6, 5), per_image=True)
    assert_equal(assign_as_the_api(assigner, scene), AtOnce(assigner, WHOLE)(scene, 4))


@pytest.mark.parametrize("anchors", [1, 7, 149])
def test_any_number_of_anchors_differs_by_the_last_bit_of_a_logarithm_at_most(anchors: int) -> None:
    import numpy as np

    assigner = make_assigner("forced")
    scene = Scene(3, (5, 2, 11), anchors=anchors)
    stock, own = assign_as_the_api(assigner, scene), AtOnce(assigner, WHOLE)(scene, 11)
    np.testing.assert_allclose(own[2], stock[2], rtol=3e-7, atol=1e-7)
    full = anchors // 16 * 16
    assert (own[2][:, :full] == stock[2][:, :full]).all()
    assert all((own[part] == stock[part]).all() for part in (0, 1, 3, 4))


def test_forced_matches_and_ties_are_among_what_is_compared() -> None:
    import numpy as np

    scene = Scene(0, (20, 20))
    forced = assign_as_the_api(make_assigner("proposals"), scene)[-1]
    free = make_assigner("proposals")
    free._matcher._force_match_for_each_row = False
    assert np.any(forced != assign_as_the_api(free, scene)[-1])
    turned = copy.deepcopy(scene)
    turned.boxes = [corners[::-1] for corners in scene.boxes]
    turned.weights = [weights[::-1] for weights in scene.weights]
    back = 19 - assign_as_the_api(free, turned)[-1]
    matched = back < 20
    assert np.any(back[matched] != assign_as_the_api(free, scene)[-1][matched])


def test_one_image_by_the_apis_own_signature() -> None:
    import tensorflow as tf
    from object_detection.core.box_list import BoxList

    from odtool.engine.match.batch_assigner import BatchAssigner

    assigner, scene = make_assigner("proposals"), Scene(2, (6,))
    boxes, anchors = BoxList(tf.constant(scene.boxes[0])), BoxList(tf.constant(scene.anchors[0]))
    own = BatchAssigner(assigner, block=WHOLE).assign(anchors, boxes)
    assert_equal([part.numpy() for part in assigner.assign(anchors, boxes)], [part.numpy() for part in own])


def test_a_box_that_is_not_a_number_stays_in_its_image() -> None:
    import numpy as np

    assigner = make_assigner("forced")
    whole, broken = Scene(0, (5, 5)), Scene(0, (5, 5))
    broken.boxes[0][2] = np.nan
    for block in (WHOLE, BY_ANCHORS):
        for healthy, own in zip(AtOnce(assigner, block)(whole, 5), AtOnce(assigner, block)(broken, 5), strict=True):
            assert (healthy[1] == own[1]).all()
