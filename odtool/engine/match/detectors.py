"""Where matching of whole batches is put into the API's models: through the objects that a model holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from object_detection import model_lib
from object_detection.meta_architectures.ssd_meta_arch import SSDMetaArch

from odtool.engine.match import best_pairs, groundtruth
from odtool.engine.match.batch_assigner import BatchAssigner, Targets


def assign_in_batches(detector: Any, *, block: int | None = None) -> None:
    """Changes how a detection model assigns targets, where it matches anchors to boxes by overlap.

    Args:
        block: pairs of a box and an anchor that are compared at once; what suits the device if None.
    """
    for name, assigner in list(vars(detector).items()):
        if BatchAssigner.can_replace(assigner):
            setattr(detector, name, BatchAssigner(assigner, block=block or best_pairs.choose_block()))
    if reads_stacked_groundtruth(detector):
        detector._assign_targets = lambda *lists: _assign_ssd_targets(detector, *lists)


def reads_stacked_groundtruth(detector: Any) -> bool:
    """Whether the model takes a batch's groundtruth in one tensor."""
    return (
        isinstance(detector, SSDMetaArch)
        and isinstance(detector._target_assigner, BatchAssigner)
        # These are for the API to work out, image by image.
        and not detector._use_confidences_as_targets
    )


def unstack_groundtruth(detector: Any, labels: dict[str, Any], *, unpad: bool) -> dict[str, list[Any]]:
    """The labels of a batch as `model_lib.provide_groundtruth` takes them."""
    if reads_stacked_groundtruth(detector):
        return groundtruth.unstack(labels, unpad=unpad)
    unstacked: dict[str, list[Any]] = model_lib.unstack_batch(labels, unpad_groundtruth_tensors=unpad)
    return unstacked


def _assign_ssd_targets(
    detector: Any,
    boxes: Sequence[Any],
    classes: Sequence[Any],
    keypoints: Sequence[Any] | None = None,
    weights: Sequence[Any] | None = None,
    confidences: Sequence[Any] | None = None,
) -> Any:
    """In place of SSDMetaArch._assign_targets."""
    del confidences  # not learned from, see reads_stacked_groundtruth
    corners = groundtruth.stack(boxes)
    labels = groundtruth.stack(classes).stacked
    if detector._add_background_class:
        labels = tf.pad(labels, [[0, 0], [0, 0], [1, 0]])
    shape = tf.shape(corners.stacked)[:2]
    real = tf.ones(shape, tf.bool) if corners.counts is None else tf.sequence_mask(corners.counts, shape[1])
    targets = Targets(
        corners.stacked,
        real,
        labels,
        tf.ones(shape) if weights is None else groundtruth.stack(weights).stacked,
        None if keypoints is None else groundtruth.stack(keypoints).stacked,
    )
    anchors = detector.anchors.get()[tf.newaxis]
    return tuple(detector._target_assigner.assign_batch(anchors, targets, detector._unmatched_class_label))
