"""Faster and Mask R-CNN learn for a batch at once what the API has them learn image by image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from odtool.pipeline.zoo import zoo

SIDE = 96


def build_small(name: str, change: Callable[[Any], object]) -> Any:
    """A zoo model that takes all anchors and proposals there are, so that nothing is drawn at random."""
    message = zoo.build(zoo.find(name)).message
    rcnn = message.model.faster_rcnn
    rcnn.num_classes = 3
    rcnn.image_resizer.fixed_shape_resizer.height = rcnn.image_resizer.fixed_shape_resizer.width = SIDE
    rcnn.first_stage_minibatch_size, rcnn.first_stage_positive_balance_fraction = 100_000, 1.0
    rcnn.first_stage_max_proposals = rcnn.second_stage_batch_size = 16
    rcnn.second_stage_balance_fraction = 1.0
    rate = message.train_config.optimizer.momentum_optimizer.learning_rate
    rate.constant_learning_rate.learning_rate = 0.001
    change(rcnn)
    return message


def predict_masks(rcnn: Any) -> None:
    rcnn.number_of_stages = 3
    predictor = rcnn.second_stage_box_predictor.mask_rcnn_box_predictor
    predictor.predict_instance_masks = True
    predictor.mask_height = predictor.mask_width = 15
    predictor.conv_hyperparams.regularizer.l2_regularizer.weight = 0.0
    predictor.conv_hyperparams.initializer.truncated_normal_initializer.stddev = 0.01


def predict_masks_of_full_size(rcnn: Any) -> None:
    predict_masks(rcnn)
    rcnn.resize_masks = False


@pytest.mark.slow
@pytest.mark.parametrize("change", [lambda rcnn: None, predict_masks, predict_masks_of_full_size])
def test_steps_give_the_losses_and_weights_of_the_stock_step(
    change: Callable[[Any], object], assert_equal_steps: Callable[..., None]
) -> None:
    assert_equal_steps(build_small("faster_rcnn_resnet50_v1_640x640", change), side=SIDE, steps=3)


def predict_masks_on_a_pyramid(rcnn: Any) -> None:
    """With so few anchors that all of them are proposed: squares of 24 and 48 pixels."""
    predict_masks(rcnn)
    rcnn.first_stage_max_proposals = rcnn.second_stage_batch_size = 200
    rcnn.use_static_balanced_label_sampler = False
    anchors = rcnn.first_stage_anchor_generator.multiscale_anchor_generator
    anchors.min_level, anchors.max_level, anchors.anchor_scale, anchors.scales_per_octave = 3, 4, 3, 1
    anchors.aspect_ratios[:] = [1.0]
    pyramid = rcnn.feature_extractor.fpn
    pyramid.min_level, pyramid.max_level, pyramid.additional_layer_depth = 3, 4, 16
    rcnn.second_stage_box_predictor.mask_rcnn_box_predictor.mask_prediction_conv_depth = 8


@pytest.mark.slow
def test_the_gradient_of_boxes_and_masks_on_a_pyramid_is_the_stock_one(
    api: Any, make_learner: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    from odtool.engine.match import detectors

    message = build_small("faster_rcnn_resnet50_v1_fpn_640x640", predict_masks_on_a_pyramid)
    # With this optimizer, what a step takes off a weight is its gradient.
    optimizer = message.train_config.optimizer.momentum_optimizer
    optimizer.momentum_optimizer_value, optimizer.learning_rate.constant_learning_rate.learning_rate = 0.0, 1.0
    own = make_learner(message, side=SIDE)
    with monkeypatch.context() as patch:
        patch.setattr(detectors, "assign_in_batches", lambda _: None)
        stock = make_learner(message, side=SIDE)
    for mine, theirs in zip(own.detector.variables, stock.detector.variables, strict=True):
        mine.assign(theirs)
    before = [weight.numpy() for weight in own.detector.trainable_variables]
    batch = own.draw(2, seed=3)
    # The second image's first box is one that proposals are found for.
    boxes = batch[1]["groundtruth_boxes"]
    batch[1]["groundtruth_boxes"] = api.tensor_scatter_nd_update(boxes, [[1, 0]], [[0.25, 0.25, 0.5, 0.5]])
    ours = api.function(own.take_own_step, autograph=False)(*batch)
    theirs = api.function(stock.take_stock_step, autograph=False)(*batch)
    assert float(theirs["Loss/BoxClassifierLoss/mask_loss"]) > 0.1
    for name, loss in theirs.items():
        assert float(ours[name]) == pytest.approx(float(loss), rel=1e-6), name
    gradient, difference = 0.0, 0.0
    for start, mine, other in zip(
        before, own.detector.trainable_variables, stock.detector.trainable_variables, strict=True
    ):
        gradient += float(np.square(other.numpy() - start, dtype=np.float64).sum())
        difference += float(np.square(other.numpy() - mine.numpy(), dtype=np.float64).sum())
    assert gradient > 0
    assert (difference / gradient) ** 0.5 < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("change", [lambda rcnn: None, predict_masks])
def test_evaluation_gives_the_losses_and_detections_of_the_stock_model(
    change: Callable[[Any], object], api: Any, make_learner: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np
    from object_detection import model_lib, model_lib_v2

    from odtool.engine.match import detectors

    message = build_small("faster_rcnn_resnet50_v1_640x640", change)
    own = make_learner(message, side=SIDE)
    with monkeypatch.context() as patch:
        patch.setattr(detectors, "assign_in_batches", lambda _: None)
        stock = make_learner(message, side=SIDE)
    for mine, theirs in zip(own.detector.variables, stock.detector.variables, strict=True):
        mine.assign(theirs)

    def judge(learner: Any, features: Any, labels: Any) -> Any:
        detector = learner.detector
        detector._is_training = False
        api.keras.backend.set_learning_phase(False)
        unstacked = model_lib.unstack_batch(labels, unpad_groundtruth_tensors=True)
        losses, predictions = model_lib_v2._compute_losses_and_predictions_dicts(detector, features, unstacked)
        return losses, detector.postprocess(predictions, features["true_image_shape"])

    # The second image of the batch has boxes, the first has none.
    features, labels = own.draw(2, seed=3)
    for image in range(2):
        batch = [{name: value[image : image + 1] for name, value in part.items()} for part in (features, labels)]
        (ours, our_boxes), (theirs, their_boxes) = (
            api.function(lambda *parts, one=one: judge(one, *parts), autograph=False)(*batch) for one in (own, stock)
        )
        for name, value in theirs.items():
            assert float(ours[name]) == pytest.approx(float(value), rel=1e-5, abs=1e-7), name
        assert our_boxes.keys() == their_boxes.keys()
        for name, value in their_boxes.items():
            np.testing.assert_allclose(our_boxes[name], value, rtol=1e-4, atol=1e-5, err_msg=name)
