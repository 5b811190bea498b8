"""Which class is taken for which, with background, and whether the number of objects in an image is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from odtool.reporting.mistakes import Kind, Verdict

BACKGROUND = 0
"""Its place among the class ids, which begin at 1."""


@dataclass(frozen=True)
class Counting:
    """Numbers of objects of one class in each image, at the class's threshold."""

    mean_absolute_error: float | None
    """Objects an image; None where there is no image to count in."""
    bias: float | None
    """Mean of detected minus true: above 0 where too many are found."""
    pairs: Mapping[tuple[int, int], int]
    """Images by true and by detected number; those with neither are counted, too."""
    images: int
    left_out: int
    """Images with a crowd of the class, of which nobody knows the number."""


def count_pairs(verdicts: Iterable[Verdict]) -> Counter[tuple[int, int]]:
    """Objects and detections by true and by detected class.

    An object found is counted under its class and the detection's: its own, or that of the surest detection of a
    wrong class on it. An object without either counts as (class, background), and a detection without an object,
    duplicates and badly placed ones among them, as (background, class).
    """
    counts: Counter[tuple[int, int]] = Counter()
    for verdict in verdicts:
        truth, detected = verdict.image.truth.classes, verdict.image.detections.classes
        used: set[int] = set()
        for index, kind, partner in zip(verdict.accepted, verdict.kinds, verdict.partners, strict=True):
            if kind == "ignored":
                continue
            if partner is not None and partner not in used and _is_explained_by(kind, verdict.objects[partner]):
                used.add(partner)
                counts[int(truth[partner]), int(detected[index])] += 1
            else:
                counts[BACKGROUND, int(detected[index])] += 1
        for index, kind in enumerate(verdict.objects):
            if kind != "ignored" and index not in used:
                counts[int(truth[index]), BACKGROUND] += 1
    return counts


def _is_explained_by(detection: Kind, object_kind: Kind) -> bool:
    return detection == "correct" or (detection == "wrong class" and object_kind != "correct")


def count_objects(verdicts: Sequence[Verdict], classes: Iterable[int]) -> dict[int, Counting]:
    """How well the objects of each class are counted."""
    return {number: _add_count(verdicts, number) for number in classes}


def _add_count(verdicts: Sequence[Verdict], number: int) -> Counting:
    pairs: Counter[tuple[int, int]] = Counter()
    left_out = 0
    for verdict in verdicts:
        own = verdict.image.truth.classes == number
        if (own & verdict.image.truth.crowds).any():
            left_out += 1
            continue
        detected = (verdict.image.detections.classes[verdict.accepted] == number).sum()
        pairs[int(own.sum()), int(detected)] += 1
    images = pairs.total()
    if not images:
        return Counting(None, None, {}, 0, left_out)
    errors = [((predicted - true), count) for (true, predicted), count in pairs.items()]
    return Counting(
        sum(abs(error) * count for error, count in errors) / images,
        sum(error * count for error, count in errors) / images,
        dict(pairs),
        images,
        left_out,
    )
