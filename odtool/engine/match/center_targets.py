"""CenterNet's targets for a whole batch at once: its instances stand in one list, with the image of each beside it.

The API's assigners (core/target_assigner.py) go through the images, and draw heat maps as a product of pixels,
instances and classes, 590 MB an image for 100 boxes and 90 classes at 512 px. What looks at one instance alone is left
to them, as if all instances were of one image; the images' numbers are put in afterwards. Heat maps are drawn here, by
the highest value of each pixel over the instances that have the class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from object_detection.core import box_list_ops
from object_detection.core import target_assigner as stock
from object_detection.core.box_list import BoxList
from object_detection.core.standard_fields import InputDataFields as Fields
from object_detection.meta_architectures.center_net_meta_arch import CenterNetMetaArch
from object_detection.utils import target_assigner_utils

from odtool.engine.match import heat_maps

READ = (
    Fields.groundtruth_boxes,
    Fields.groundtruth_classes,
    Fields.groundtruth_weights,
    Fields.groundtruth_keypoints,
    Fields.groundtruth_keypoint_depths,
    Fields.groundtruth_keypoint_depth_weights,
)
"""Fields with a row for each instance that the losses look at."""


class FlatList(list):  # type: ignore[type-arg]  # TensorFlow is untyped
    """The instances of all images as the API wants those of one: a list of a single tensor."""

    def __init__(self, flat: Any, images: Any, batch: int) -> None:
        """
        Args:
            flat: [instances, …]
            images: [instances] int32, the number of each instance's image.
            batch: how many images there are.
        """
        super().__init__([flat])
        self.images = images
        self.batch = batch


def unstack(labels: dict[str, Any], *, unpad: bool) -> dict[str, list[Any]]:
    """As model_lib.unstack_batch, for a model whose assigners read FlatLists.

    Args:
        unpad: whether an image has as many instances as boxes. Otherwise padding counts, which weighs nothing.
    """
    counts = labels[Fields.num_groundtruth_boxes]
    batch, most = counts.shape[0], tf.reduce_max(counts)
    real = tf.sequence_mask(counts, most) if unpad else tf.ones([batch, most], tf.bool)
    places = tf.where(tf.reshape(real, [-1]))[:, 0]
    images = tf.cast(places // tf.cast(most, tf.int64), tf.int32)

    def flatten(value: Any) -> Any:
        rows = tf.reshape(value[:, :most], tf.concat([[-1], tf.shape(value)[2:]], 0))
        rows.set_shape([None, *value.shape[2:]])
        return FlatList(tf.gather(rows, places), images, batch)

    return {name: flatten(value) if name in READ else tf.unstack(value) for name, value in labels.items()}


def can_batch(detector: Any) -> bool:
    """Whether all heads of the model are among those that are known here."""
    if type(detector) is not CenterNetMetaArch or detector._center_from_keypoints:
        return False
    return all(
        type(assigner) in _BATCHED or type(assigner) in _BATCHED.values()
        for assigner in detector._target_assigner_dict.values()
    )


def batch_assigners(detector: Any) -> None:
    """Puts this module's assigners where the detector's stood."""
    assigners = detector._target_assigner_dict
    for task, assigner in list(assigners.items()):
        assigners[task] = _BATCHED[type(assigner)](assigner)


class CenterAssigner:
    """In place of a CenterNetCenterHeatmapTargetAssigner."""

    def __init__(self, assigner: Any) -> None:
        self._stock = assigner

    def assign_center_targets_from_boxes(
        self,
        height: Any,
        width: Any,
        gt_boxes_list: Sequence[Any],
        gt_classes_list: Sequence[Any],
        gt_weights_list: Sequence[Any] | None = None,
        maximum_normalized_coordinate: float = 1.1,
    ) -> Any:
        """[batch, height, width, classes]"""
        if not isinstance(gt_boxes_list, FlatList):
            return self._stock.assign_center_targets_from_boxes(
                height, width, gt_boxes_list, gt_classes_list, gt_weights_list, maximum_normalized_coordinate
            )
        height, width = (tf.maximum(side // self._stock._stride, 1) for side in (height, width))
        boxes = box_list_ops.to_absolute_coordinates(
            BoxList(gt_boxes_list[0]), height, width, maximum_normalized_coordinate=maximum_normalized_coordinate
        )
        y, x, box_height, box_width = boxes.get_center_coordinates_and_sizes()
        sigma = stock._compute_std_dev_from_box_size(box_height, box_width, self._stock._min_overlap)
        classes = gt_classes_list[0]
        if self._stock._compute_heatmap_sparse:
            # This variant of the API's takes the first class of an instance that has several, and of one without any.
            instances, channels = tf.range(tf.shape(classes, tf.int64)[0]), tf.argmax(classes, 1)
            factors = []
        else:
            places = tf.where(tf.not_equal(classes, 0))
            instances, channels = places[:, 0], places[:, 1]
            factors = [tf.gather_nd(classes, places)]
        if gt_weights_list is not None:
            factors.append(tf.gather(gt_weights_list[0], instances))
        count = classes.shape[1]
        slots = tf.gather(tf.cast(gt_boxes_list.images, tf.int64), instances) * count + channels
        grids = target_assigner_utils.image_shape_to_grids(height, width)
        spots = [tf.gather(value, instances) for value in (tf.floor(y), tf.floor(x), sigma)]
        maps = heat_maps.gather_highest(
            heat_maps.draw_spots(grids), [*spots, *factors], slots, gt_boxes_list.batch, count, grids[0]
        )
        exponent = self._stock._heatmap_exponent
        return maps if exponent == 1.0 else tf.pow(maps, exponent)


class BoxAssigner:
    """In place of a CenterNetBoxTargetAssigner."""

    def __init__(self, assigner: Any) -> None:
        self._stock = assigner

    def assign_size_and_offset_targets(self, *, gt_boxes_list: Sequence[Any], **others: Any) -> tuple[Any, ...]:
        indices, *values = self._stock.assign_size_and_offset_targets(gt_boxes_list=gt_boxes_list, **others)
        return _number_images(indices, gt_boxes_list), *values


class KeypointAssigner:
    """In place of a CenterNetKeypointTargetAssigner."""

    def __init__(self, assigner: Any) -> None:
        self._stock = assigner

    def assign_keypoints_offset_targets(self, *, gt_classes_list: Sequence[Any], **others: Any) -> tuple[Any, ...]:
        indices, *values = self._stock.assign_keypoints_offset_targets(gt_classes_list=gt_classes_list, **others)
        return _number_images(indices, gt_classes_list), *values

    def assign_keypoints_depth_targets(self, *, gt_classes_list: Sequence[Any], **others: Any) -> tuple[Any, ...]:
        indices, *values = self._stock.assign_keypoints_depth_targets(gt_classes_list=gt_classes_list, **others)
        return _number_images(indices, gt_classes_list), *values

    def assign_joint_regression_targets(self, *, gt_classes_list: Sequence[Any], **others: Any) -> tuple[Any, ...]:
        indices, *values = self._stock.assign_joint_regression_targets(gt_classes_list=gt_classes_list, **others)
        return _number_images(indices, gt_classes_list), *values

    def assign_keypoint_heatmap_targets(
        self,
        *,
        height: Any,
        width: Any,
        gt_keypoints_list: Sequence[Any],
        gt_classes_list: Sequence[Any],
        gt_weights_list: Sequence[Any],
        gt_boxes_list: Sequence[Any],
    ) -> tuple[Any, Any, Any]:
        """Heat maps, [batch, height, width, keypoints], instances, [batch, keypoints], and a mask like the maps."""
        if not isinstance(gt_boxes_list, FlatList):
            result: tuple[Any, Any, Any] = self._stock.assign_keypoint_heatmap_targets(
                height, width, gt_keypoints_list, gt_classes_list, None, gt_weights_list, gt_boxes_list
            )
            return result
        height, width = (tf.maximum(side // self._stock._stride, 1) for side in (height, width))
        keypoints, weights = stock._preprocess_keypoints_and_weights(
            out_height=tf.cast(height, tf.float32),
            out_width=tf.cast(width, tf.float32),
            keypoints=gt_keypoints_list[0],
            class_onehot=gt_classes_list[0],
            class_weights=gt_weights_list[0],
            keypoint_weights=None,
            class_id=self._stock._class_id,
            keypoint_indices=self._stock._keypoint_indices,
        )
        boxes = box_list_ops.to_absolute_coordinates(BoxList(gt_boxes_list[0]), height, width)
        _, _, box_height, box_width = boxes.get_center_coordinates_and_sizes()
        sigma = stock._compute_std_dev_from_box_size(box_height, box_width, 0.7)
        deviation = tf.constant(self._stock._keypoint_std_dev)[tf.newaxis] * sigma[:, tf.newaxis]
        grids = target_assigner_utils.image_shape_to_grids(height, width)
        count, batch, images = len(self._stock._keypoint_indices), gt_boxes_list.batch, gt_boxes_list.images

        def gather(select: Any, draw: Callable[..., Any], values: Sequence[Any]) -> Any:
            places = tf.where(select)
            slots = tf.gather(tf.cast(images, tf.int64), places[:, 0]) * count + places[:, 1]
            chosen = [tf.gather_nd(value, places) for value in values]
            return heat_maps.gather_highest(draw, chosen, slots, batch, count, grids[0])

        y, x = tf.floor(keypoints[:, :, 0]), tf.floor(keypoints[:, :, 1])
        maps = gather(tf.not_equal(weights, 0), heat_maps.draw_spots(grids), (y, x, deviation, weights))
        # Pixels of instances of which this keypoint is not known count for nothing.
        scaled = box_list_ops.scale_height_width(boxes, 1.0, 1.0).get()
        sides = [tf.repeat(side[:, tf.newaxis], count, 1) for side in tf.unstack(scaled, axis=1)]
        unknown = gather(weights < 1e-3, heat_maps.draw_boxes(grids), sides)
        known = tf.math.unsorted_segment_sum(weights, images, batch)
        return maps, tf.cast(known, tf.int32), 1 - unknown


_BATCHED: dict[type, type] = {
    stock.CenterNetCenterHeatmapTargetAssigner: CenterAssigner,
    stock.CenterNetBoxTargetAssigner: BoxAssigner,
    stock.CenterNetKeypointTargetAssigner: KeypointAssigner,
}


def _number_images(indices: Any, instances: Sequence[Any]) -> Any:
    """[places, 3 or more], with the images' numbers in front, where all instances were taken to be of one."""
    if not isinstance(instances, FlatList):
        return indices
    count = tf.shape(instances.images)[0]
    places = tf.shape(indices)[0] // tf.maximum(count, 1)
    return tf.concat([tf.repeat(instances.images, places)[:, tf.newaxis], indices[:, 1:]], 1)
