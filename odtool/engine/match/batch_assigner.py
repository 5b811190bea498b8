"""Target assignment for all images of a batch at once, with the results of the API's image by image.

core/target_assigner.py matches each image by itself: some 250 operations an image, each a small kernel on a GPU, and
gathers by multiplying with one-hot matrices where the config asks for that, as most do for the sake of TPUs. Here the
images' boxes are stacked, compared with the anchors in one matrix (`best_pairs`), and what an anchor gets is gathered
by its index.

Equal to the last bit, with one exception on CPUs: the logarithm in a box's encoded size. TensorFlow's code for vectors
and the one for what is left over at a tensor's end round it differently, and an image's last anchors, fewer than a
vector holds, are no longer at the end. Those may differ by one unit in the last place.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from object_detection.core.box_list import BoxList
from object_detection.core.standard_fields import BoxListFields
from object_detection.core.target_assigner import TargetAssigner
from object_detection.matchers.argmax_matcher import ArgMaxMatcher

from odtool.engine.match import best_pairs
from odtool.engine.match.groundtruth import Targets
from odtool.engine.match.similarities import Boxes, find_measure

UNMATCHED, IGNORED = -1, -2
"""Numbers that stand for no box, as in core/matcher.py."""


@dataclass(frozen=True)
class Assignment:
    """What every anchor is to learn, as `batch_assign_targets` gives it."""

    class_targets: Any
    """[batch, anchors, …]"""
    class_weights: Any
    """[batch, anchors, …]"""
    box_targets: Any
    """[batch, anchors, code size]"""
    box_weights: Any
    """[batch, anchors]"""
    match: Any
    """[batch, anchors] int32: a box's number, -1 for none, -2 for an anchor to be ignored."""

    def __iter__(self) -> Any:
        return iter((self.class_targets, self.class_weights, self.box_targets, self.box_weights, self.match))


class BatchAssigner:
    """Stands where one of the API's TargetAssigners stood, and assigns for a batch, too."""

    def __init__(self, assigner: Any, *, block: int) -> None:
        """
        Args:
            block: pairs of a box and an anchor to be compared at once.
        """
        self._matcher = assigner._matcher
        measure = find_measure(assigner._similarity_calc)
        assert measure is not None  # see can_replace
        self._measure = measure
        self._negative_class_weight = assigner._negative_class_weight
        self._block = block
        self.box_coder = assigner.box_coder

    @staticmethod
    def can_replace(assigner: Any) -> bool:
        """Whether it is one of the API's, and matches by the best overlap of pairs."""
        return (
            type(assigner) is TargetAssigner
            and type(assigner._matcher) is ArgMaxMatcher
            and find_measure(assigner._similarity_calc) is not None
        )

    def get_box_coder(self) -> Any:
        return self.box_coder

    def assign(
        self,
        anchors: Any,
        groundtruth_boxes: Any,
        groundtruth_labels: Any = None,
        unmatched_class_label: Any = None,
        groundtruth_weights: Any = None,
    ) -> tuple[Any, ...]:
        """The API's own signature, for one image."""
        boxes = groundtruth_boxes.get()
        rows = tf.shape(boxes)[0]
        labels = tf.ones([rows, 1]) if groundtruth_labels is None else groundtruth_labels
        weights = tf.ones([rows]) if groundtruth_weights is None else groundtruth_weights
        keypoints = None
        if groundtruth_boxes.has_field(BoxListFields.keypoints):
            keypoints = groundtruth_boxes.get_field(BoxListFields.keypoints)
        parts = [None if part is None else part[tf.newaxis] for part in (boxes, labels, weights, keypoints)]
        targets = Targets(parts[0], tf.ones([1, rows], tf.bool), *parts[1:])
        assignment = self.assign_batch(anchors.get()[tf.newaxis], targets, unmatched_class_label)
        return tuple(tf.squeeze(value, 0) for value in assignment)

    def assign_batch(self, anchors: Any, targets: Targets, unmatched_label: Any = None) -> Assignment:
        """
        Args:
            anchors: [1, anchors, 4] where all images have the same, else [batch, anchors, 4].
            unmatched_label: what anchors without a box are to learn, of a label's shape; [0] if None.
        """
        unmatched_label = tf.constant([0.0]) if unmatched_label is None else unmatched_label
        targets = _have_one_row(targets)
        match = self._match(anchors, targets)
        class_targets = _gather(targets.labels, match, unmatched_label, unmatched_label)
        box_weights = _gather(targets.weights, match, 0.0, 0.0)
        class_weights = _gather(targets.weights, match, 0.0, self._negative_class_weight)
        for _ in class_targets.shape[2:]:
            class_weights = class_weights[..., tf.newaxis]
        return Assignment(
            class_targets,
            tf.broadcast_to(class_weights, tf.shape(class_targets)),
            self._encode(anchors, targets, match),
            box_weights,
            tf.cast(match, tf.int32),
        )

    def _match(self, anchors: Any, targets: Targets) -> Any:
        """[batch, anchors] int64."""
        scores = 1 - tf.reshape(targets.labels, [*_shape(targets.real), -1])[:, :, 0]
        batch = best_pairs.Batch(Boxes(targets.boxes, scores), targets.real, anchors)
        best = best_pairs.find_best(self._measure, batch, block=self._block)
        match = self._apply_thresholds(best.box, best.overlap)
        if self._matcher._force_match_for_each_row:
            forced = _force(best.anchor, targets.real & (targets.weights > 0), _shape(match)[1])
            match = tf.where(forced >= 0, forced, match)
        return tf.where(tf.reduce_any(targets.real, 1, keepdims=True), match, tf.constant(UNMATCHED, tf.int64))

    def _apply_thresholds(self, box: Any, overlap: Any) -> Any:
        matched, unmatched = self._matcher._matched_threshold, self._matcher._unmatched_threshold
        if matched is None:
            return box
        low, middle = UNMATCHED, IGNORED
        if not self._matcher._negatives_lower_than_unmatched:
            low, middle = middle, low
        between = (overlap >= unmatched) & (matched > overlap)
        box = tf.where(between, tf.constant(middle, tf.int64), box)
        return tf.where(unmatched > overlap, tf.constant(low, tf.int64), box)

    def _encode(self, anchors: Any, targets: Targets, match: Any) -> Any:
        images, count = _shape(match)
        nothing = tf.zeros([4])
        boxes = BoxList(tf.reshape(_gather(targets.boxes, match, nothing, nothing), [-1, 4]))
        if targets.keypoints is not None:
            nothing = tf.zeros(tf.shape(targets.keypoints)[2:])
            points = _gather(targets.keypoints, match, nothing, nothing)
            boxes.add_field(BoxListFields.keypoints, tf.reshape(points, [-1, *_shape(targets.keypoints)[2:]]))
        repeated = tf.reshape(tf.broadcast_to(anchors, [images, count, 4]), [-1, 4])
        codes = tf.reshape(self.box_coder.encode(boxes, BoxList(repeated)), [images, count, self.box_coder.code_size])
        return tf.where(match[:, :, tf.newaxis] >= 0, codes, tf.zeros_like(codes))


def _have_one_row(targets: Targets) -> Targets:
    """The same, with a row of padding where there would be none, as there is no best of nothing."""
    if targets.real.shape[1]:
        return targets
    missing = tf.maximum(1 - tf.shape(targets.real)[1], 0)

    def pad(value: Any) -> Any:
        return None if value is None else tf.pad(value, [[0, 0], [0, missing], *[[0, 0]] * (value.shape.rank - 2)])

    return Targets(*(pad(getattr(targets, field.name)) for field in dataclasses.fields(targets)))


def _force(best_anchor: Any, wanted: Any, anchors: Any) -> Any:
    """The first box whose best anchor each is, of those that are wanted, [batch, anchors] int64; -1 for none."""
    images, boxes = _shape(wanted)
    first = tf.range(tf.cast(images, tf.int64))[:, tf.newaxis] * tf.cast(anchors, tf.int64)
    # Negative numbers belong to no segment.
    segments = tf.where(wanted, first + tf.cast(best_anchor, tf.int64), tf.constant(-1, tf.int64))
    numbers = tf.broadcast_to(tf.range(tf.cast(boxes, tf.int64)), [images, boxes])
    smallest = tf.math.unsorted_segment_min(
        tf.cast(numbers, tf.float32), segments, tf.cast(images, tf.int64) * tf.cast(anchors, tf.int64)
    )
    smallest = tf.reshape(smallest, [images, anchors])
    # A segment without members holds the highest number there is.
    return tf.cast(tf.where(smallest < tf.cast(boxes, tf.float32), smallest, -1.0), tf.int64)


def _gather(values: Any, match: Any, ignored: Any, unmatched: Any) -> Any:
    """What each anchor's box has, [batch, anchors, …], of values [batch, rows, …], as Match.gather_based_on_match."""
    first = tf.stack([ignored, unmatched])[tf.newaxis]
    first = tf.broadcast_to(first, [_shape(values)[0], 2, *_shape(values)[2:]])
    return tf.gather(tf.concat([first, values], 1), tf.maximum(match + 2, 0), batch_dims=1)


def _shape(tensor: Any) -> list[Any]:
    """Numbers where they are known, tensors where not."""
    dynamic = tf.shape(tensor)
    return [dynamic[axis] if size is None else size for axis, size in enumerate(tensor.shape)]
