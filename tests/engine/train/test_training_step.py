"""A training step learns what the API's own does, by a graph that does not grow with the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from odtool.pipeline.zoo import zoo


def clip_and_count_padding(message: Any) -> None:
    message.train_config.gradient_clipping_by_norm = 1.0
    message.train_config.unpad_groundtruth_tensors = False


def have_no_background_class(message: Any) -> None:
    message.model.ssd.add_background_class = False
    message.model.ssd.matcher.argmax_matcher.unmatched_threshold = 0.3


@pytest.mark.parametrize("change", [lambda message: None, clip_and_count_padding, have_no_background_class])
def test_twenty_steps_give_the_losses_and_weights_of_the_stock_step(
    change: Callable[[Any], object], small_message: Callable[..., Any], assert_equal_steps: Callable[..., None]
) -> None:
    assert_equal_steps(small_message(change), side=96, steps=20)


def test_the_step_of_a_small_model_has_no_operation_for_an_image(
    make_learner: Callable[..., Any], small_message: Callable[..., Any]
) -> None:
    learner = make_learner(small_message(), side=96)
    assert learner.count_operations(16) == learner.count_operations(4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "side", "most"),
    [
        ("ssd_mobilenet_v2_fpnlite_320x320", 320, 1.0),
        ("efficientdet_d0", 512, 1.0),
        ("faster_rcnn_resnet50_v1_640x640", 320, 1.05),
        ("centernet_resnet101_v1_fpn_512x512", 256, 1.01),
    ],
)
def test_the_steps_of_zoo_models_hardly_grow_with_the_batch(
    name: str, side: int, most: float, make_learner: Callable[..., Any]
) -> None:
    message = zoo.build(zoo.find(name)).message
    message.train_config.use_bfloat16 = False
    learner = make_learner(message, side=side)
    assert learner.count_operations(16) <= most * learner.count_operations(4)
