"""One training step: losses, gradients and the optimizer, as model_lib_v2.eager_train_step takes it."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from object_detection import model_lib_v2

from odtool.engine import model
from odtool.engine.match import detectors

TOTAL_LOSS = "Loss/total_loss"
"""Under this name the API gives the sum of the losses."""


def take_step(
    trainable: model.Trainable, settings: Any, features: dict[str, Any], labels: dict[str, Any], *, replicas: int = 1
) -> dict[str, Any]:
    """Learns from one batch; gives the losses.

    The API's own function takes the groundtruth apart image by image before a model sees it, some thirty operations
    an image. This one leaves it whole for the models that can read it so.

    Args:
        settings: the config's train_config.
        replicas: devices that train together, among which the loss is divided.
    """
    detector = trainable.model
    detector._is_training = True
    tf.keras.backend.set_learning_phase(True)
    groundtruth = detectors.unstack_groundtruth(detector, labels, unpad=settings.unpad_groundtruth_tensors)
    with tf.GradientTape() as tape:
        losses, _ = model_lib_v2._compute_losses_and_predictions_dicts(
            detector,
            features,
            groundtruth,
            training_step=trainable.step,
            add_regularization_loss=settings.add_regularization_loss,
        )
        losses = model_lib_v2.normalize_dict(losses, replicas)
    variables = detector.trainable_variables
    gradients = tape.gradient(losses[TOTAL_LOSS], variables)
    if settings.gradient_clipping_by_norm > 0:
        gradients, _ = tf.clip_by_global_norm(gradients, settings.gradient_clipping_by_norm)
    trainable.optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return dict(losses)
