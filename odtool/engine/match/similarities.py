"""How much boxes and anchors overlap, for all images of a batch at once: the API's pairwise measures, bit by bit.

Each of core/region_similarity_calculator.py's measures that looks at a pair alone, written for [batch, boxes, anchors]
with the operations in the API's order, so that every rounding is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from object_detection.core import region_similarity_calculator as similarity


@dataclass(frozen=True)
class Boxes:
    """Groundtruth boxes of some images."""

    corners: Any
    """[batch, boxes, 4] float32: ymin, xmin, ymax, xmax."""
    scores: Any
    """[batch, boxes] float32: 1 less the first class's label, which one of the measures reads."""


def find_measure(calculator: Any) -> Callable[[Boxes, Any], Any] | None:
    """A calculator's measure: of Boxes and anchors, [batch or 1, anchors, 4], it gives [batch, boxes, anchors].

    Returns:
        None where the API's calculator looks at more than a pair, or is none that is known here.
    """
    measure = _MEASURES.get(type(calculator))
    return None if measure is None else lambda boxes, anchors: measure(calculator, boxes, anchors)


def _measure_iou(_: Any, boxes: Boxes, anchors: Any) -> Any:
    common, areas, anchor_areas = _intersect(boxes.corners, anchors)
    union = areas + anchor_areas - common
    return tf.where(tf.equal(common, 0.0), tf.zeros_like(common), common / union)


def _measure_ioa(_: Any, boxes: Boxes, anchors: Any) -> Any:
    common, _areas, anchor_areas = _intersect(boxes.corners, anchors)
    return common / anchor_areas


def _measure_thresholded_iou(calculator: Any, boxes: Boxes, anchors: Any) -> Any:
    ious = _measure_iou(None, boxes, anchors)
    return tf.where(ious > calculator._iou_threshold, boxes.scores[:, :, tf.newaxis], tf.zeros_like(ious))


_MEASURES: dict[type, Callable[[Any, Boxes, Any], Any]] = {
    similarity.IouSimilarity: _measure_iou,
    similarity.IoaSimilarity: _measure_ioa,
    similarity.ThresholdedIouSimilarity: _measure_thresholded_iou,
}


def _intersect(corners: Any, anchors: Any) -> tuple[Any, Any, Any]:
    """The areas that pairs share, [batch, boxes, anchors], those of the boxes, and those of the anchors."""
    ymin, xmin, ymax, xmax = tf.split(corners, 4, axis=2)
    anchor_ymin, anchor_xmin, anchor_ymax, anchor_xmax = (
        side[:, tf.newaxis, :] for side in tf.unstack(anchors, axis=2)
    )
    heights = tf.maximum(0.0, tf.minimum(ymax, anchor_ymax) - tf.maximum(ymin, anchor_ymin))
    widths = tf.maximum(0.0, tf.minimum(xmax, anchor_xmax) - tf.maximum(xmin, anchor_xmin))
    areas = (ymax - ymin) * (xmax - xmin)
    return heights * widths, areas, (anchor_ymax - anchor_ymin) * (anchor_xmax - anchor_xmin)
