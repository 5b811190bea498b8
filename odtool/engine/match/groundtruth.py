"""A batch's groundtruth as the models take it, image by image, without losing that it came in one tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from object_detection.core.standard_fields import InputDataFields as Fields


@dataclass(frozen=True)
class Targets:
    """What anchors may be given; all images have as many rows, those of `real` in front."""

    boxes: Any
    """[batch, rows, 4]"""
    real: Any
    """[batch, rows] bool: which rows the API would see."""
    labels: Any
    """[batch, rows, …]"""
    weights: Any
    """[batch, rows]"""
    keypoints: Any = None
    """[batch, rows, keypoints, 2], or None."""


class StackedList(list):  # type: ignore[type-arg]  # TensorFlow is untyped
    """The images' tensors, as the API wants them, which also holds all of them in one.

    A list it has to be: the API counts, zips and indexes what it is given.
    """

    def __init__(self, stacked: Any, counts: Any, wrap: Callable[[Any], Any] = lambda value: value) -> None:
        """
        Args:
            stacked: [batch, rows, …]
            counts: [batch], the rows that each image has; None where padding is to count as rows.
            wrap: what the API wants an image's tensor in.
        """
        super().__init__(wrap(value) for value in tf.unstack(stacked))
        self.stacked = stacked
        self.counts = counts


def unstack(labels: dict[str, Any], names: Iterable[str], *, unpad: bool) -> dict[str, list[Any]]:
    """As model_lib.unstack_batch, for a model that reads StackedLists.

    Rows that no image of the batch needs are left out. They are the input pipeline's padding: boxes of zeros with no
    weight. They overlap with nothing, so that none of them is an anchor's best box, as long as one other row is there.

    Args:
        names: the fields that have a row for each box.
        unpad: whether an image has as many rows as boxes, as the config's unpad_groundtruth_tensors says.
    """
    counts = labels[Fields.num_groundtruth_boxes]
    most = tf.maximum(tf.reduce_max(counts), 1)
    return {
        name: StackedList(value[:, :most], counts if unpad else None) if name in names else tf.unstack(value)
        for name, value in labels.items()
    }


def stack(values: Sequence[Any]) -> StackedList:
    """What a model was given, in one tensor: images with fewer rows are padded with zeros."""
    if isinstance(values, StackedList):
        return values
    shapes = {tuple(value.shape) for value in values}
    if len(shapes) == 1 and None not in next(iter(shapes)):
        return StackedList(tf.stack(values), None)
    counts = tf.stack([tf.shape(value)[0] for value in values])
    most = tf.reduce_max(counts)
    padded = [tf.pad(value, [[0, most - tf.shape(value)[0]], *[[0, 0]] * (value.shape.rank - 1)]) for value in values]
    return StackedList(tf.stack(padded), counts)


def build_targets(boxes: StackedList, labels: Any, weights: Any = None, keypoints: Any = None) -> Targets:
    """
    Args:
        labels: [batch, rows, …]; None where all boxes are of one class.
        weights: a StackedList, or None where all weigh the same.
        keypoints: a StackedList, or None.
    """
    shape = tf.shape(boxes.stacked)[:2]
    real = tf.ones(shape, tf.bool) if boxes.counts is None else tf.sequence_mask(boxes.counts, shape[1])
    return Targets(
        boxes.stacked,
        real,
        tf.ones(tf.concat([shape, [1]], 0)) if labels is None else labels,
        tf.ones(shape) if weights is None else weights.stacked,
        None if keypoints is None else keypoints.stacked,
    )
