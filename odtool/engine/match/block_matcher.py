"""Crowded images: anchors are matched to boxes in blocks, so that thousands of boxes do not fill the memory.

For N boxes and M anchors the API's target assignment (core/target_assigner.py) holds several [N, M] matrices for each
image at once: 0.4 GB apiece for 2,000 boxes and an SSD of 640 px. Only each anchor's best box and each box's best
anchor are needed of them, and those are found block by block of anchors. The results are the API's own to the last
bit, ties and forced matches included. It is put in through the model's own objects: its target assigners get another
matcher.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from object_detection.core import region_similarity_calculator as similarity
from object_detection.core.box_list import BoxList
from object_detection.core.matcher import Match
from object_detection.core.target_assigner import TargetAssigner
from object_detection.matchers.argmax_matcher import ArgMaxMatcher

WHOLE = 2**23
"""Pairs of a box and an anchor up to which the API's own code does it at once: 34 MB a matrix. 100 boxes, the API's
usual limit, stay below it up to 640 px."""
BLOCK = 2**20
"""Pairs in a block; about eight matrices of this size are alive at a time, for each image of the batch."""
_BY_PAIR = (similarity.IouSimilarity, similarity.IoaSimilarity, similarity.ThresholdedIouSimilarity)
"""Calculators whose value for a pair does not depend on the other pairs, not even in its rounding."""


def match_in_blocks(detector: Any, *, whole: int = WHOLE, block: int = BLOCK) -> None:
    """Changes how a detection model's target assigners match, where they match anchors to boxes by overlap."""
    for assigner in [value for value in vars(detector).values() if isinstance(value, TargetAssigner)]:
        if type(assigner._similarity_calc) in _BY_PAIR and type(assigner._matcher) is ArgMaxMatcher:
            assigner._matcher = BlockMatcher(assigner._similarity_calc, assigner._matcher, whole, block)
            assigner._similarity_calc = _DeferredSimilarity()


@dataclass(frozen=True)
class _Pairs:
    """Boxes and anchors still to be compared."""

    boxes: Any
    anchors: Any


class _DeferredSimilarity:
    """Stands where a similarity calculator does, and leaves its work to the matcher."""

    def compare(self, boxes: Any, anchors: Any) -> _Pairs:
        return _Pairs(boxes, anchors)


class BlockMatcher:
    """Compares and matches as a calculator and an ArgMaxMatcher would one after the other."""

    def __init__(self, calculator: Any, matcher: Any, whole: int, block: int) -> None:
        """
        Args:
            whole: pairs up to which both do it at once, where their number is known before the step runs.
            block: pairs in a block otherwise.
        """
        self._calculator = calculator
        self._matcher = matcher
        self._thresholds = copy.copy(matcher)
        self._thresholds._force_match_for_each_row = False
        self._whole = whole
        self._block = block

    def match(self, pairs: _Pairs, valid_rows: Any) -> Any:
        """The Match of [M] anchors to [N] boxes; `valid_rows`, [N] bool, tells boxes from padding."""
        boxes, anchors = pairs.boxes.num_boxes_static(), pairs.anchors.num_boxes_static()
        if boxes == 0 or (boxes and anchors and boxes * anchors <= self._whole):
            return self._matcher.match(self._calculator.compare(pairs.boxes, pairs.anchors), valid_rows=valid_rows)
        count = tf.shape(pairs.anchors.get())[0]
        matches = tf.cond(
            tf.shape(pairs.boxes.get())[0] > 0,
            lambda: self._match(pairs, count, valid_rows),
            lambda: tf.fill([count], -1),
        )
        matches.set_shape([anchors])
        # The API's gathering by matrix multiplication, made for TPUs, would hold an [M, N] matrix, too.
        return Match(matches)

    def _match(self, pairs: _Pairs, count: Any, valid_rows: Any) -> Any:
        best_box, overlap, best_anchor = self._best(pairs, count)
        # One row with the best overlap of each anchor passes the thresholds as the whole matrix would.
        eligible = self._thresholds._match(overlap[tf.newaxis], tf.ones([1], tf.bool))
        matches = tf.where(eligible >= 0, best_box, eligible)
        if not self._matcher._force_match_for_each_row:
            return matches
        boxes = tf.range(tf.size(best_anchor))
        # Of several boxes that have one best anchor the first gets it; negative numbers belong to no segment.
        forced = tf.math.unsorted_segment_min(boxes, tf.where(valid_rows, best_anchor, -1), count)
        return tf.where(forced < tf.size(boxes), forced, matches)

    def _best(self, pairs: _Pairs, count: Any) -> tuple[Any, Any, Any]:
        """Each anchor's best box and the overlap with it, [M], and each box's best anchor, [N]; the first of equals."""
        corners = tf.stop_gradient(pairs.anchors.get())
        boxes = tf.shape(pairs.boxes.get())[0]
        width = tf.maximum(self._block // boxes, 1)

        def step(start: Any, index: Any, rows: Any, values: Any, columns: Any, highest: Any) -> tuple[Any, ...]:
            matrix = self._calculator.compare(pairs.boxes, BoxList(corners[start : start + width]))
            rows = rows.write(index, tf.argmax(matrix, 0, output_type=tf.int32))
            values = values.write(index, tf.reduce_max(matrix, 0))
            here = tf.reduce_max(matrix, 1)
            better = here > highest
            columns = tf.where(better, start + tf.argmax(matrix, 1, output_type=tf.int32), columns)
            return start + width, index + 1, rows, values, columns, tf.where(better, here, highest)

        def collect(dtype: Any) -> Any:
            return tf.TensorArray(dtype, size=0, dynamic_size=True, infer_shape=False, element_shape=[None])

        _, _, rows, values, columns, _ = tf.while_loop(
            lambda start, *_: start < count,
            step,
            (0, 0, collect(tf.int32), collect(tf.float32), tf.zeros([boxes], tf.int32), tf.fill([boxes], -1.0)),
            parallel_iterations=1,
        )
        return rows.concat(), values.concat(), columns
