"""What kind of mistake each wrong detection and each object that was not found is, image by image.

At each class's threshold, detections are first matched with objects of their own class as COCO does at IoU .5: the
surest first, each with the free object that it overlaps most; what lies by half or more on a crowd of its class counts
neither way. Of the rest a detection is

- a duplicate, where it overlaps (IoU at least .5) an object of its class that a surer one has found;
- of the wrong class, where it overlaps an object of another class by as much;
- badly placed, where it overlaps an object of its class by less than that, but by .1 or more;
- background, where none of these holds.

An object that nothing matches is of the wrong class or badly placed where one of these detections is of it, and missed
otherwise. (TIDE, Bolya et al. 2020, tells mistakes apart by the same overlaps.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from odtool.detection.accuracy import MOST_DETECTIONS
from odtool.reporting.detections_file import ExaminedImage

SAME, NEAR = 0.5, 0.1
"""IoU from which a detection counts as an object's, and from which it was meant to be."""

Kind = Literal["correct", "duplicate", "wrong class", "badly placed", "background", "missed", "ignored"]
MISTAKES: tuple[Kind, ...] = ("missed", "wrong class", "badly placed", "duplicate", "background")


@dataclass(frozen=True)
class Verdict:
    """One image judged."""

    image: ExaminedImage
    accepted: NDArray[np.int64]
    """[t]: indices of the detections that reach their class's threshold, the surest first."""
    kinds: tuple[Kind, ...]
    """[t]: what each of these is."""
    partners: tuple[int | None, ...]
    """[t]: the object each was or was meant to be; None for background."""
    objects: tuple[Kind, ...]
    """[n]: 'correct', 'missed', 'wrong class', 'badly placed', or 'ignored' for a crowd."""

    @property
    def mistakes(self) -> int:
        """Wrong detections, and objects missed that none of these explains."""
        wrong = sum(kind not in ("correct", "ignored") for kind in self.kinds)
        return wrong + self.objects.count("missed")

    @property
    def correct(self) -> int:
        return self.objects.count("correct")


def judge(image: ExaminedImage, thresholds: Mapping[int, float]) -> Verdict:
    """Judges one image.

    Args:
        thresholds: score from which a detection of a class is taken; those of other classes are not.
    """
    truth, detections = image.truth, image.detections
    matches = _match_correct(image, thresholds)
    crowds = truth.crowds
    overlap = compute_overlaps(detections.boxes[matches], truth.boxes)
    alike = detections.classes[matches][:, np.newaxis] == truth.classes[np.newaxis, :]
    partners = _match(np.where(alike & ~crowds, overlap, 0))
    on_crowd = ((_compute_shares(detections.boxes[matches], truth.boxes) >= SAME) & alike & crowds).any(axis=1)
    kinds: list[Kind] = []
    for row, partner in enumerate(partners):
        if partner is not None:
            kinds.append("correct")
        elif on_crowd[row]:
            kinds.append("ignored")
        else:
            kind, partners[row] = _classify(np.where(crowds, 0, overlap[row]), alike[row])
            kinds.append(kind)
    return Verdict(image, matches, tuple(kinds), tuple(partners), tuple(_classify_objects(kinds, partners, crowds)))


def _match_correct(image: ExaminedImage, thresholds: Mapping[int, float]) -> NDArray[np.int64]:
    detections = image.detections
    needed = np.array([thresholds.get(int(number), np.inf) for number in detections.classes])
    order = np.argsort(-detections.scores, kind="mergesort")
    indices: list[int] = []
    counts: dict[int, int] = {}
    for index in order:
        number = int(detections.classes[index])
        counts[number] = counts.get(number, 0) + 1
        if detections.scores[index] >= needed[index] and counts[number] <= MOST_DETECTIONS:
            indices.append(int(index))
    return np.array(indices, np.int64)


def _match(overlap: NDArray[np.float64]) -> list[int | None]:
    """Row by row the free column with the largest overlap from SAME on, the last of equals as in pycocotools."""
    free = overlap[:, ::-1].copy()
    partners: list[int | None] = []
    for row in free:
        if row.size and row.max() >= SAME:
            best = int(np.argmax(row))
            free[:, best] = -1
            partners.append(len(row) - 1 - best)
        else:
            partners.append(None)
    return partners


def _classify(overlap: NDArray[np.float64], alike: NDArray[np.bool_]) -> tuple[Kind, int | None]:
    """What a detection that matches nothing is, and of which object.

    Args:
        overlap: [n] with each object, 0 for crowds.
        alike: [n], which of them are of its class.
    """
    own, foreign = np.where(alike, overlap, 0), np.where(alike, 0, overlap)
    ways: tuple[tuple[Kind, NDArray[np.float64], float], ...] = (
        ("duplicate", own, SAME),  # a free object of its class would have matched
        ("wrong class", foreign, SAME),
        ("badly placed", own, NEAR),
    )
    for kind, values, threshold in ways:
        if values.size and values.max() >= threshold:
            return kind, int(np.argmax(values))
    return "background", None


def _classify_objects(
    kinds: Sequence[Kind], partners: Sequence[int | None], crowds: NDArray[np.bool_]
) -> Iterable[Kind]:
    by_object: dict[int, set[Kind]] = {}
    for kind, partner in zip(kinds, partners, strict=True):
        if partner is not None:
            by_object.setdefault(partner, set()).add(kind)
    for index, crowd in enumerate(crowds):
        here = by_object.get(index, set())
        ranked: tuple[Kind, ...] = ("correct", "wrong class", "badly placed")
        yield "ignored" if crowd else next((kind for kind in ranked if kind in here), "missed")


def compute_overlaps(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Intersection over union of [n, 4] with [m, 4] boxes: [n, m]."""
    inner = _intersect(first, second)
    union = _compute_areas(first)[:, np.newaxis] + _compute_areas(second) - inner
    return np.divide(inner, union, out=np.zeros_like(inner), where=union > 0)


def _compute_shares(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """How much of each of [n, 4] boxes lies within each of [m, 4]: COCO's measure for crowds."""
    inner, own = _intersect(first, second), _compute_areas(first)[:, np.newaxis]
    return np.divide(inner, own, out=np.zeros_like(inner), where=own > 0)


def _intersect(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    a, b = first.astype(np.float64)[:, np.newaxis], second.astype(np.float64)[np.newaxis]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    return np.asarray(np.prod(np.maximum(sides, 0), axis=-1))


def _compute_areas(boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(np.prod(boxes[:, 2:].astype(np.float64) - boxes[:, :2], axis=-1))
