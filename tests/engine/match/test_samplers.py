"""Drawing for a batch at once follows the law of the API's own samplers, and takes what they would take."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("api")


def draw_candidates(seed: int, images: int = 4, count: int = 60) -> tuple[Any, Any]:
    """Candidates and positives, [images, count]; the first image has no positive, the second no candidate."""
    import numpy as np

    rng = np.random.default_rng(seed)
    candidates, positive = rng.random((images, count)) < 0.7, rng.random((images, count)) < 0.4
    positive[0], candidates[1] = False, False
    return candidates, positive


def subsample(candidates: Any, positive: Any, size: int | None, *, fraction: float = 0.5, static: bool = False) -> Any:
    import tensorflow as tf
    from object_detection.core.balanced_positive_negative_sampler import BalancedPositiveNegativeSampler

    from odtool.engine.match import samplers

    sampler = BalancedPositiveNegativeSampler(positive_fraction=fraction, is_static=static)
    return samplers.subsample(sampler, tf.constant(candidates), size, tf.constant(positive)).numpy()


@pytest.mark.parametrize("size", [1, 8, 16, 40, 60, 200, None])
@pytest.mark.parametrize("fraction", [0.25, 0.5, 1.0])
def test_as_many_positives_and_negatives_as_the_api_draws(size: int | None, fraction: float) -> None:
    import tensorflow as tf
    from object_detection.core.balanced_positive_negative_sampler import BalancedPositiveNegativeSampler

    candidates, positive = draw_candidates(0)
    own = subsample(candidates, positive, size, fraction=fraction)
    assert not (own & ~candidates).any()
    stock = BalancedPositiveNegativeSampler(positive_fraction=fraction)
    for image, (may, is_positive) in enumerate(zip(candidates, positive, strict=True)):
        drawn = stock.subsample(tf.constant(may), size, tf.constant(is_positive)).numpy()
        assert (own[image] & is_positive).sum() == (drawn & is_positive).sum()
        assert own[image].sum() == drawn.sum()


def test_each_candidate_is_as_likely_as_any_other() -> None:
    import numpy as np

    candidates, positive = np.ones((400, 20), bool), np.zeros((400, 20), bool)
    drawn = subsample(candidates, positive, 5)
    assert (drawn.sum(1) == 5).all()
    # 100 are expected of each, with a standard deviation of 8.7.
    assert np.abs(drawn.sum(0) - 100).max() < 6 * 8.7
    assert len({tuple(image) for image in drawn}) > 350


def test_a_sampler_of_static_shapes_is_asked_image_by_image() -> None:
    candidates, positive = draw_candidates(1)
    drawn = subsample(candidates, positive, 16, static=True)
    assert (drawn.sum(1) == 16).all()


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("size", [10, 60, 80])
def test_sampled_rows_are_taken_in_order_and_padded_as_the_api_does(size: int, static: bool) -> None:
    import numpy as np
    import tensorflow as tf
    from object_detection.core import box_list_ops
    from object_detection.core.box_list import BoxList

    from odtool.engine.match import samplers

    sampled, _ = draw_candidates(2)
    rng = np.random.default_rng(0)
    boxes, scores = rng.random((4, 60, 4), np.float32), rng.random((4, 60), np.float32)
    (own_boxes, own_scores), counts = samplers.take_sampled(
        [tf.constant(boxes), tf.constant(scores)], sampled, size, repeat_first=static
    )
    for image, wanted in enumerate(sampled):
        boxlist = BoxList(tf.constant(boxes[image]))
        boxlist.add_field("scores", tf.constant(scores[image]))
        kept = box_list_ops.boolean_mask(
            boxlist, tf.constant(wanted), use_static_shapes=static, indicator_sum=size if static else None
        )
        padded = box_list_ops.pad_or_clip_box_list(kept, size)
        assert (own_boxes[image].numpy() == padded.get().numpy()).all()
        assert (own_scores[image].numpy() == padded.get_field("scores").numpy()).all()
        assert counts[image] == min(int(kept.num_boxes()), size)
