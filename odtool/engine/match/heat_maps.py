"""Maps of the pixels of each image and channel, with the highest value that any instance has there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

PIXELS = 2**25
"""Of the heat maps of single instances that are drawn at a time, over all of them: 134 MB."""


def draw_spots(grids: tuple[Any, Any]) -> Callable[..., Any]:
    """As target_assigner_utils.coordinates_to_heatmap, for each instance by itself: [instances, height, width]."""
    y_grid, x_grid = grids

    def draw(y: Any, x: Any, sigma: Any, *factors: Any) -> Any:
        y, x, sigma, *weights = (value[:, tf.newaxis, tf.newaxis] for value in (y, x, sigma, *factors))
        spot = tf.exp(-((x_grid - x) ** 2 + (y_grid - y) ** 2) / (2 * sigma * sigma))
        for weight in weights:
            spot *= weight
        return spot

    return draw


def draw_boxes(grids: tuple[Any, Any]) -> Callable[..., Any]:
    """1 within each box and 0 elsewhere, [instances, height, width]."""
    y_grid, x_grid = grids

    def draw(ymin: Any, xmin: Any, ymax: Any, xmax: Any) -> Any:
        ymin, xmin, ymax, xmax = (value[:, tf.newaxis, tf.newaxis] for value in (ymin, xmin, ymax, xmax))
        inside = (y_grid >= ymin) & (y_grid < ymax) & (x_grid >= xmin) & (x_grid < xmax)
        return tf.cast(inside, tf.float32)

    return draw


def gather_highest(
    draw: Callable[..., Any], values: Sequence[Any], slots: Any, batch: int, channels: int, grid: Any
) -> Any:
    """The highest of all that is drawn in each pixel, 0 where there is nothing: [batch, height, width, channels].

    Args:
        draw: gives [instances, height, width] of values of theirs.
        slots: [instances] int64, image * channels + channel of each.
    """
    height, width = tf.unstack(tf.shape(grid))
    count = tf.shape(slots)[0]
    step = tf.maximum(PIXELS // (height * width), 1)

    def add(start: Any, maps: Any) -> tuple[Any, Any]:
        some = [value[start : start + step] for value in values]
        places = slots[start : start + step, tf.newaxis]
        return start + step, tf.tensor_scatter_nd_max(maps, places, draw(*some))

    maps = tf.zeros([batch * channels, height, width])
    _, maps = tf.while_loop(lambda start, _: start < count, add, (0, maps), parallel_iterations=1)
    maps = tf.reshape(maps, [batch, channels, height, width])
    return tf.stop_gradient(tf.transpose(maps, [0, 2, 3, 1]))
