"""Which anchors or proposals of each image take part in a loss: drawn at random for a whole batch at once."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from object_detection.core.balanced_positive_negative_sampler import BalancedPositiveNegativeSampler


def subsample(sampler: Any, candidates: Any, size: int | None, positive: Any) -> Any:
    """What the sampler's own `subsample` draws for an image, for all of them: another draw by the same law.

    The API shuffles indices image by image, and TensorFlow shuffles on the host alone. Here each candidate draws a
    number, and the highest numbers win.

    Args:
        candidates: [batch, count] bool: what may be drawn.
        size: how many are wanted in each image; if None, all positives and their share of negatives.
        positive: [batch, count] bool.

    Returns:
        [batch, count] bool.
    """
    if type(sampler) is not BalancedPositiveNegativeSampler or sampler._is_static:
        return tf.map_fn(
            lambda image: sampler.subsample(image[0], size, image[1]),
            [candidates, positive],
            fn_output_signature=tf.bool,
        )
    fraction = sampler._positive_fraction
    positives, negatives = candidates & positive, candidates & ~positive
    if size is None:
        count = tf.reduce_sum(tf.cast(positives, tf.float32), 1, keepdims=True)
        return positives | _draw(negatives, tf.floor((1 - fraction) / fraction * count), None)
    most = int(fraction * size)
    chosen = _draw(positives, float(most), most)
    count = tf.reduce_sum(tf.cast(chosen, tf.float32), 1, keepdims=True)
    return chosen | _draw(negatives, float(size) - count, size)


def _draw(candidates: Any, wanted: Any, most: int | None) -> Any:
    """
    Args:
        candidates: [batch, count] bool.
        wanted: how many of each image, [batch, 1] or one number, float32: TensorFlow computes int32 on the host.
        most: no image wants more.
    """
    images, count = _shape(candidates)
    numbers = tf.where(candidates, tf.random.uniform([images, count]), -1.0)
    highest, places = tf.math.top_k(numbers, count if most is None else tf.minimum(most, count))
    wins = (highest >= 0) & (tf.cumsum(tf.ones_like(highest), 1, exclusive=True) < wanted)
    rows = tf.range(tf.cast(images, tf.int64))[:, tf.newaxis] + tf.zeros_like(places, tf.int64)
    where = tf.stack([rows, tf.cast(places, tf.int64)], 2)
    return tf.scatter_nd(where, tf.cast(wins, tf.float32), tf.shape(candidates, tf.int64)) > 0


def take_sampled(values: Any, sampled: Any, size: int, *, repeat_first: bool = False) -> tuple[list[Any], Any]:
    """The sampled rows of each image in their order, filled up to `size`, and their number.

    Args:
        values: tensors [batch, count, …].
        sampled: [batch, count] bool.
        repeat_first: fill up with the image's first row, which counts as sampled each time, in place of zeros, which
            do not count.

    Returns:
        Tensors [batch, size, …], and [batch] int32.
    """
    count = sampled.shape[1] or tf.shape(sampled)[1]
    most = min(size, count) if isinstance(count, int) else tf.minimum(size, count)
    # Of equal numbers the first comes first.
    real, places = tf.math.top_k(tf.cast(sampled, tf.float32), most)
    taken = []
    for value in values:
        rows = tf.gather(value, places, batch_dims=1)
        filler = value[:, :1] if repeat_first else tf.zeros_like(value[:, :1])
        rows = tf.where(tf.reshape(real > 0, [*_shape(real), *[1] * (value.shape.rank - 2)]), rows, filler)
        rows = tf.concat([rows, tf.repeat(filler, size - most, axis=1)], 1)
        rows.set_shape([value.shape[0], size, *value.shape[2:]])
        taken.append(rows)
    counts = tf.cast(tf.reduce_sum(real, 1), tf.int32)
    return taken, tf.fill(tf.shape(counts), size) if repeat_first else counts


def _shape(tensor: Any) -> list[Any]:
    dynamic = tf.shape(tensor)
    return [dynamic[axis] if size is None else size for axis, size in enumerate(tensor.shape)]
