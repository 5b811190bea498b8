"""How far two detectors agree: whether each finds what the other finds, the truth left aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from odtool.detection import instance_masks
from odtool.detection.detector import Detections

MIN_SCORE = 0.3
"""Detections below this are not what anybody looks at."""
MIN_IOU = 0.5
_MARGIN = 0.5
"""A partner may have this share of the least score: one just above it and one just below do not disagree."""


@dataclass(frozen=True)
class Agreement:
    """Of another detector with a reference, over the same images."""

    found: float
    """Share of the reference's detections that the other has too: same class, IoU of at least .5 of the boxes, and of
    the masks where the first has any. 1 of none."""
    confirmed: float
    """Share of the other's detections that the reference has too."""
    reference: int
    """Detections of the reference from `min_score` on."""
    other: int
    min_score: float

    @property
    def least(self) -> float:
        return min(self.found, self.confirmed)


def compare(reference: Sequence[Detections], candidate: Sequence[Detections]) -> Agreement:
    """Compares detections image by image.

    The least score is MIN_SCORE, or what leaves one detection an image on average, where the reference is less sure.
    """
    min_score = _find_min_score(reference)
    pairs = list(zip(reference, candidate, strict=True))
    recalled = [_match(left, right, min_score) for left, right in pairs]
    confirmed = [_match(right, left, min_score) for left, right in pairs]
    return Agreement(
        _compute_share(recalled),
        _compute_share(confirmed),
        sum(map(len, recalled)),
        sum(map(len, confirmed)),
        min_score,
    )


def compute_overlaps(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """[n, m]: the IoU of each box [xmin, ymin, xmax, ymax] with each; 0 where both are empty."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=-1)
    areas = [np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=-1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0), np.float32)


def _find_min_score(reference: Sequence[Detections]) -> float:
    scores = np.sort(np.concatenate([np.zeros(0, np.float32), *(image.scores for image in reference)]))[::-1]
    count = len(reference)
    if len(scores) < count:
        return 0.0
    return min(MIN_SCORE, float(scores[count - 1])) if count else MIN_SCORE


def _match(first: Detections, second: Detections, min_score: float) -> NDArray[np.bool_]:
    """Whether each detection of `first` from `min_score` on has a partner of its own in `second`; the best first."""
    mine, partners = first.scores >= min_score, second.scores >= min_score * _MARGIN
    boxes, classes = first.boxes[mine], first.classes[mine]
    near = compute_overlaps(boxes, second.boxes[partners])
    near[classes[:, None] != second.classes[partners][None]] = 0
    if first.masks is not None:
        _drop_other_masks(near, first.select(np.flatnonzero(mine)), second.select(np.flatnonzero(partners)))
    matched = np.zeros(len(boxes), bool)
    for index in np.argsort(-first.scores[mine], kind="stable"):
        best = int(np.argmax(near[index])) if near.shape[1] else 0
        if near.shape[1] and near[index, best] >= MIN_IOU:
            matched[index] = True
            near[:, best] = 0
    return matched


def _drop_other_masks(near: NDArray[np.float32], first: Detections, second: Detections) -> None:
    """Sets the overlap of boxes whose masks do not overlap as much to 0."""
    for row, column in np.argwhere(near >= MIN_IOU).tolist():
        masks = first.masks and second.masks
        if not masks or instance_masks.compute_iou(first.masks[row], second.masks[column]) < MIN_IOU:  # type: ignore[index]  # `masks` says so
            near[row, column] = 0


def _compute_share(matched: Sequence[NDArray[np.bool_]]) -> float:
    every = np.concatenate([np.zeros(0, bool), *matched])
    return float(every.mean()) if len(every) else 1.0
