"""Where matching of whole batches is put into the API's models: through the objects that a model holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from object_detection import model_lib
from object_detection.core import target_assigner
from object_detection.core.standard_fields import InputDataFields as Fields
from object_detection.meta_architectures.ssd_meta_arch import SSDMetaArch

from odtool.engine.match import best_pairs, center_targets, groundtruth, proposals
from odtool.engine.match.batch_assigner import BatchAssigner

_READ_BY_SSD = (
    Fields.groundtruth_boxes,
    Fields.groundtruth_classes,
    Fields.groundtruth_weights,
    Fields.groundtruth_keypoints,
)
_READ_BY_RCNN = (
    Fields.groundtruth_boxes,
    Fields.groundtruth_classes,
    Fields.groundtruth_weights,
    Fields.groundtruth_instance_masks,
)
"""Fields with a row for each box that the models' losses look at."""


def assign_in_batches(detector: Any, *, block: int | None = None) -> None:
    """Changes how a detection model assigns targets, where this package knows how.

    Args:
        block: pairs of a box and an anchor that are compared at once; what suits the device if None.
    """
    for name, assigner in list(vars(detector).items()):
        if BatchAssigner.can_replace(assigner):
            setattr(detector, name, BatchAssigner(assigner, block=block or best_pairs.choose_block()))
    if _is_batched_ssd(detector):
        detector._assign_targets = lambda *lists: _assign_ssd_targets(detector, *lists)
    elif proposals.can_batch(detector):
        proposals.batch_stages(detector)
        target_assigner.batch_assign_targets = _batch_assign_targets
    elif center_targets.can_batch(detector):
        center_targets.batch_assigners(detector)


def unstack_groundtruth(detector: Any, labels: dict[str, Any], *, unpad: bool) -> dict[str, list[Any]]:
    """Labels as `model_lib.provide_groundtruth` takes them: a batch's in one tensor where the model reads them so."""
    if _is_batched_ssd(detector):
        return groundtruth.unstack(labels, _READ_BY_SSD, unpad=unpad)
    if proposals.can_batch(detector):
        return groundtruth.unstack(labels, _READ_BY_RCNN, unpad=unpad)
    if center_targets.can_batch(detector):
        return center_targets.unstack(labels, unpad=unpad)
    unstacked: dict[str, list[Any]] = model_lib.unstack_batch(labels, unpad_groundtruth_tensors=unpad)
    return unstacked


def _is_batched_ssd(detector: Any) -> bool:
    return (
        isinstance(detector, SSDMetaArch)
        and isinstance(detector._target_assigner, BatchAssigner)
        # Confidences are for the API to work out, image by image.
        and not detector._use_confidences_as_targets
    )


def _assign_ssd_targets(
    detector: Any,
    boxes: Sequence[Any],
    classes: Sequence[Any],
    keypoints: Sequence[Any] | None = None,
    weights: Sequence[Any] | None = None,
    confidences: Sequence[Any] | None = None,
) -> Any:
    """In place of SSDMetaArch._assign_targets."""
    del confidences  # not learned from, see _is_batched_ssd
    labels = groundtruth.stack(classes).stacked
    if detector._add_background_class:
        labels = tf.pad(labels, [[0, 0], [0, 0], [1, 0]])
    targets = groundtruth.build_targets(
        groundtruth.stack(boxes),
        labels,
        None if weights is None else groundtruth.stack(weights),
        None if keypoints is None else groundtruth.stack(keypoints),
    )
    anchors = detector.anchors.get()[tf.newaxis]
    return tuple(detector._target_assigner.assign_batch(anchors, targets, detector._unmatched_class_label))


_stock_batch_assign = target_assigner.batch_assign


def _batch_assign_targets(
    target_assigner: Any,
    anchors_batch: Any,
    gt_box_batch: Any,
    gt_class_targets_batch: Any,
    unmatched_class_label: Any = None,
    gt_weights_batch: Any = None,
) -> tuple[Any, ...]:
    """In place of target_assigner.batch_assign_targets, which Faster R-CNN's losses call for their second stage.

    Their one other seam would be their whole text. For any other assigner it is what it was.
    """
    if not isinstance(target_assigner, BatchAssigner) or not isinstance(gt_box_batch, groundtruth.StackedList):
        return _stock_batch_assign(  # type: ignore[no-any-return]  # the API is untyped
            target_assigner,
            anchors_batch,
            gt_box_batch,
            gt_class_targets_batch,
            unmatched_class_label,
            gt_weights_batch,
        )
    anchors = tf.stack([boxes.get() for boxes in anchors_batch])
    targets = groundtruth.build_targets(gt_box_batch, gt_class_targets_batch.stacked, gt_weights_batch)
    return tuple(target_assigner.assign_batch(anchors, targets, unmatched_class_label))
