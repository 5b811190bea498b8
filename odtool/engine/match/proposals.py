"""Faster and Mask R-CNN's two stages for a whole batch at once, where the API goes through the images one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from object_detection.core import box_list_ops
from object_detection.core.box_list import BoxList
from object_detection.core.standard_fields import BoxListFields, InputDataFields
from object_detection.meta_architectures.faster_rcnn_meta_arch import FasterRCNNMetaArch

from odtool.engine.match import groundtruth, samplers
from odtool.engine.match.batch_assigner import BatchAssigner

_REPLACED = ("_format_groundtruth_data", "_postprocess_rpn", "_sample_box_classifier_batch", "_loss_rpn")


def can_batch(detector: Any) -> bool:
    """Whether the detector's stages are the API's own."""
    return (
        isinstance(detector, FasterRCNNMetaArch)
        and all(getattr(type(detector), name) is getattr(FasterRCNNMetaArch, name) for name in _REPLACED)
        and isinstance(detector._proposal_target_assigner, BatchAssigner)
        and isinstance(detector._detector_target_assigner, BatchAssigner)
    )


def batch_stages(detector: Any) -> None:
    """Puts this module's functions where the detector's methods stood."""
    stages = _Stages(detector)
    detector._format_groundtruth_data = stages.format_groundtruth
    detector._postprocess_rpn = stages.postprocess_rpn
    detector._loss_rpn = stages.compute_rpn_losses


class _Stages:
    """What a FasterRCNNMetaArch does between its networks. Its own coder, losses and samplers do the work."""

    def __init__(self, detector: Any) -> None:
        self._detector = detector

    def format_groundtruth(self, image_shapes: Any) -> tuple[Any, ...]:
        """In place of _format_groundtruth_data: lists of the images' boxes in pixels, classes, masks and weights."""
        detector = self._detector
        boxes = groundtruth.stack(detector.groundtruth_lists(BoxListFields.boxes))
        images, rows = boxes.stacked.shape[0], tf.shape(boxes.stacked)[1]
        flat = BoxList(tf.reshape(boxes.stacked, [-1, 4]))
        # All images of a batch have one size here: it is that of the padded ones.
        pixels = box_list_ops.to_absolute_coordinates(flat, image_shapes[0, 0], image_shapes[0, 1]).get()
        corners = groundtruth.StackedList(tf.reshape(pixels, [images, rows, 4]), boxes.counts, BoxList)
        classes = groundtruth.stack(detector.groundtruth_lists(BoxListFields.classes)).stacked
        with_background = tf.cast(tf.pad(classes, [[0, 0], [0, 0], [1, 0]]), tf.float32)
        weights = tf.ones([images, rows])
        if detector.groundtruth_has_field(BoxListFields.weights):
            weights = groundtruth.stack(detector.groundtruth_lists(BoxListFields.weights)).stacked
        return (
            corners,
            groundtruth.StackedList(with_background, boxes.counts),
            self._format_masks(boxes.counts),
            groundtruth.StackedList(weights, boxes.counts),
        )

    def _format_masks(self, counts: Any) -> Any:
        detector = self._detector
        if not detector.groundtruth_has_field(BoxListFields.masks):
            return None
        masks = groundtruth.stack(detector.groundtruth_lists(BoxListFields.masks))
        if detector._resize_masks:
            return groundtruth.StackedList(tf.stack([self._resize(mask) for mask in masks]), counts)
        return groundtruth.StackedList(tf.cast(masks.stacked, tf.float32), counts)

    def _resize(self, masks: Any) -> Any:
        """The masks of one image, as large as its resized image."""
        size = tf.shape(masks)
        _, resized, _ = self._detector._image_resizer_fn(image=tf.zeros([size[1], size[2], 1]), masks=masks)
        return tf.cast(resized, tf.float32)

    def postprocess_rpn(
        self, encodings: Any, objectness: Any, anchors: Any, image_shapes: Any, true_image_shapes: Any
    ) -> tuple[Any, ...]:
        """In place of _postprocess_rpn, whose arguments and results it has."""
        detector = self._detector
        repeated = tf.tile(anchors[tf.newaxis], [tf.shape(encodings)[0], 1, 1])
        raw_boxes = detector._batch_decode_boxes(encodings[:, :, tf.newaxis], repeated)
        softmax = tf.nn.softmax(objectness)
        boxes, scores, _, _, fields, counts = _suppress(
            detector._first_stage_nms_fn,
            raw_boxes,
            softmax[:, :, 1:2],
            detector._compute_clip_window(true_image_shapes),
            {"multiclass_scores": softmax},
        )
        if detector._is_training:
            boxes = tf.stop_gradient(boxes)
            if not detector._hard_example_miner:
                boxes, scores, counts = self._sample_proposals(boxes, scores, counts, image_shapes)
        return (
            _normalize(boxes, image_shapes),
            scores,
            fields.get("multiclass_scores") if fields else None,
            counts,
            _normalize(tf.squeeze(raw_boxes, 2), image_shapes),
            softmax,
        )

    def _sample_proposals(self, boxes: Any, scores: Any, counts: Any, image_shapes: Any) -> tuple[Any, Any, Any]:
        """As many of an image's proposals as the second stage trains on."""
        detector = self._detector
        corners, classes, _, weights = self.format_groundtruth(image_shapes)
        targets = groundtruth.build_targets(corners, classes.stacked, weights)
        assignment = detector._detector_target_assigner.assign_batch(boxes, targets, self._background())
        class_weights = tf.reduce_mean(assignment.class_weights, -1)
        real = tf.sequence_mask(counts, tf.shape(boxes)[1])
        sampled = samplers.subsample(
            detector._second_stage_sampler,
            real & (class_weights > 0),
            detector._second_stage_batch_size,
            tf.argmax(assignment.class_targets, 2) > 0,
        )
        taken, sampled_counts = samplers.take_sampled(
            [boxes, scores],
            sampled,
            detector._second_stage_batch_size,
            # As box_list_ops.boolean_mask, whose one-hot rows without a position stand for the first.
            repeat_first=detector._use_static_shapes,
        )
        return taken[0], taken[1], sampled_counts

    def _background(self) -> Any:
        return tf.constant([1.0] + self._detector._num_classes * [0.0])

    def compute_rpn_losses(
        self, encodings: Any, objectness: Any, anchors: Any, boxes: Any, classes: Any, weights: Any
    ) -> dict[str, Any]:
        """In place of _loss_rpn, whose arguments and results it has."""
        del classes  # the first stage tells objects from background only
        detector = self._detector
        targets = groundtruth.build_targets(boxes, None, weights)
        assignment = detector._proposal_target_assigner.assign_batch(anchors[tf.newaxis], targets)
        class_targets = tf.squeeze(assignment.class_targets, 2)
        sampled = samplers.subsample(
            detector._first_stage_sampler,
            tf.squeeze(assignment.class_weights, 2) > 0,
            detector._first_stage_minibatch_size,
            class_targets > 0,
        )
        share = tf.cast(sampled, tf.float32)
        normalizer = tf.maximum(tf.reduce_sum(share, 1), 1.0)
        annotated = None
        if detector.groundtruth_has_field(InputDataFields.is_annotated):
            annotated = tf.stack(detector.groundtruth_lists(InputDataFields.is_annotated))
        location = detector._first_stage_localization_loss(
            encodings, assignment.box_targets, weights=share * assignment.box_weights, losses_mask=annotated
        )
        objects = detector._first_stage_objectness_loss(
            objectness,
            tf.one_hot(tf.cast(class_targets, tf.int32), 2),
            weights=share[:, :, tf.newaxis],
            losses_mask=annotated,
        )
        location = tf.reduce_mean(tf.reduce_sum(location, 1) / normalizer)
        objects = tf.reduce_mean(tf.reduce_sum(objects, 1) / normalizer)
        return {
            "Loss/RPNLoss/localization_loss": detector._first_stage_loc_loss_weight * location,
            "Loss/RPNLoss/objectness_loss": detector._first_stage_obj_loss_weight * objects,
        }


def _normalize(boxes: Any, image_shapes: Any) -> Any:
    """Fractions of the image, of boxes in pixels, [batch, boxes, 4]."""
    sizes = 1.0 / tf.cast(image_shapes[:, :2], tf.float32)
    return boxes * tf.concat([sizes, sizes], 1)[:, tf.newaxis]


def _suppress(suppress: Callable[..., Any], boxes: Any, scores: Any, window: Any, fields: dict[str, Any]) -> Any:
    """Non-maximum suppression, image by image in a loop of the graph.

    Each image takes a kernel of its own in any case. But where the API knows their number, it writes the loop's body
    down for each of them: some 300 operations.
    """
    results = suppress(
        _forget_batch(boxes),
        _forget_batch(scores),
        clip_window=_forget_batch(window),
        additional_fields={name: _forget_batch(value) for name, value in fields.items()},
    )
    for tensor in tf.nest.flatten(results):
        if tensor is not None:
            tensor.set_shape([boxes.shape[0], *tensor.shape[1:]])
    return results


def _forget_batch(tensor: Any) -> Any:
    return tf.compat.v1.placeholder_with_default(tensor, [None, *tensor.shape[1:]])
