"""Each anchor's best box and each box's best anchor: for a batch at once, or in blocks where that would take too much.

Several [boxes, anchors] matrices an image are alive at a time: 0.4 GB apiece for 2,000 boxes and an SSD of 640 px.
Beyond a block's pairs as many images are taken at a time as stay below it, without the padding that only the others
need, and an image that is above it by itself is gone through block by block of its anchors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from odtool.engine.match.similarities import Boxes

ON_GPU = 2**25
"""Pairs: 134 MB a matrix, about six of which are alive. Few large kernels are what a GPU is fast at."""
ON_CPU = 2**21
"""Pairs: 8 MB a matrix. Measured on two cores, 16 images of 100 boxes and 12,804 anchors take half the time one by one,
as their matrices stay in the cache."""

Measure = Callable[[Boxes, Any], Any]


@dataclass(frozen=True)
class Batch:
    """What is to be compared."""

    boxes: Boxes
    """At least one box an image, padding included."""
    real: Any
    """[batch, boxes] bool: whether the API would see this row, or it is there because another image has more boxes."""
    anchors: Any
    """[batch or 1, anchors, 4]; 1 where all images have the same."""


@dataclass(frozen=True)
class Best:
    """The best of each row and column. Of equal overlaps the first counts, as for the API's argmax."""

    box: Any
    """[batch, anchors] int64."""
    overlap: Any
    """[batch, anchors] float32: the overlap with that box."""
    anchor: Any
    """[batch, boxes] float32, as whole numbers: TensorFlow computes int32 on the host, beside a GPU. Exact to 2**24."""


def choose_block() -> int:
    """Pairs that are compared at once on this machine."""
    return ON_GPU if tf.config.list_logical_devices("GPU") else ON_CPU


def find_best(measure: Measure, batch: Batch, *, block: int) -> Best:
    """Compares boxes and anchors, at most `block` pairs at a time where the shapes are known only to the step."""
    batch = Batch(
        Boxes(tf.stop_gradient(batch.boxes.corners), batch.boxes.scores),
        batch.real,
        tf.stop_gradient(batch.anchors),
    )
    images, boxes = batch.real.shape
    anchors = batch.anchors.shape[1]
    if None not in (images, boxes, anchors) and images * boxes * anchors <= block:
        return Best(*_compare(measure, batch))
    rows = tf.reduce_prod(tf.shape(batch.real))
    box, overlap, anchor = tf.cond(
        # Divided, as the product of all three may be too large for an int32, and others are not for the host.
        rows <= block // tf.maximum(tf.shape(batch.anchors)[1], 1),
        lambda: _compare(measure, batch),
        lambda: _compare_by_images(measure, batch, block),
    )
    for value, count in ((box, anchors), (overlap, anchors), (anchor, boxes)):
        value.set_shape([images, count])
    return Best(box, overlap, anchor)


def _compare(measure: Measure, batch: Batch) -> tuple[Any, Any, Any]:
    """The parts of Best."""
    matrix = tf.where(batch.real[:, :, tf.newaxis], measure(batch.boxes, batch.anchors), -float("inf"))
    box, overlap = tf.argmax(matrix, 1), tf.reduce_max(matrix, 1)
    anchor, _ = _find_first_highest(matrix)
    return box, overlap, anchor


def _find_first_highest(matrix: Any) -> tuple[Any, Any]:
    """The column of each row's first highest value, and that value.

    By a maximum and a comparison: an argmax along the inner axis runs as one thread a row on a GPU, and took half of
    its time.
    """
    highest = tf.reduce_max(matrix, 2, keepdims=True)
    count = matrix.shape[2] or tf.shape(matrix)[2]
    columns, none = tf.cast(tf.range(count), tf.float32), tf.cast(count, tf.float32)
    first = tf.reduce_min(tf.where(tf.equal(matrix, highest), columns, none), 2)
    # What is not a number equals nothing, not even itself.
    return tf.where(first < none, first, 0.0), highest[:, :, 0]


def _compare_by_images(measure: Measure, batch: Batch, block: int) -> tuple[Any, Any, Any]:
    """As many images at a time as stay below the block, but one at least."""
    images, boxes = tf.unstack(tf.shape(batch.real))
    anchors = tf.shape(batch.anchors)[1]
    group = tf.maximum(block // tf.maximum(anchors, 1) // boxes, 1)

    def step(start: Any, index: Any, rows: Any, values: Any, columns: Any) -> tuple[Any, ...]:
        box, overlap, anchor = _compare_by_anchors(measure, _take_images(batch, start, start + group), block)
        missing = boxes - tf.shape(anchor)[1]
        return (
            start + group,
            index + 1,
            rows.write(index, box),
            values.write(index, overlap),
            columns.write(index, tf.pad(anchor, [[0, 0], [0, missing]])),
        )

    parts = _collect(tf.int64), _collect(tf.float32), _collect(tf.float32)
    _, _, rows, values, columns = tf.while_loop(
        lambda start, *_: start < images, step, (0, 0, *parts), parallel_iterations=1
    )
    return rows.concat(), values.concat(), columns.concat()


def _take_images(batch: Batch, start: Any, end: Any) -> Batch:
    """These images, without the rows that are padding in each of them."""
    real = batch.real[start:end]
    used = tf.reduce_sum(tf.cast(tf.reduce_any(real, 0), tf.float32))
    most = tf.maximum(tf.cast(used, tf.int32), 1)
    anchors = batch.anchors if batch.anchors.shape[0] == 1 else batch.anchors[start:end]
    boxes = Boxes(batch.boxes.corners[start:end, :most], batch.boxes.scores[start:end, :most])
    return Batch(boxes, real[:, :most], anchors)


def _compare_by_anchors(measure: Measure, batch: Batch, block: int) -> tuple[Any, Any, Any]:
    """As many anchors at a time as stay below the block."""
    images, boxes = tf.unstack(tf.shape(batch.real))
    count = tf.shape(batch.anchors)[1]
    width = tf.maximum(block // (images * boxes), 1)

    def step(start: Any, index: Any, rows: Any, values: Any, columns: Any, highest: Any) -> tuple[Any, ...]:
        anchors = batch.anchors[:, start : start + width]
        matrix = tf.where(batch.real[:, :, tf.newaxis], measure(batch.boxes, anchors), -float("inf"))
        here, value = _find_first_highest(matrix)
        better = value > highest
        return (
            start + width,
            index + 1,
            # By anchor, as pieces are put together along the first axis.
            rows.write(index, tf.transpose(tf.argmax(matrix, 1))),
            values.write(index, tf.transpose(tf.reduce_max(matrix, 1))),
            tf.where(better, tf.cast(start, tf.float32) + here, columns),
            tf.where(better, value, highest),
        )

    none = tf.fill([images, boxes], -float("inf"))
    start = (0, 0, _collect(tf.int64), _collect(tf.float32), tf.zeros([images, boxes]), none)
    _, _, rows, values, columns, _ = tf.while_loop(
        lambda start, *_: start < count,
        step,
        start,
        shape_invariants=(*(tf.TensorShape([]),) * 2, None, None, *(tf.TensorShape([None, None]),) * 2),
        parallel_iterations=1,
    )
    return tf.transpose(rows.concat()), tf.transpose(values.concat()), columns


def _collect(dtype: Any) -> Any:
    return tf.TensorArray(dtype, size=0, dynamic_size=True, infer_shape=False, element_shape=[None, None])
