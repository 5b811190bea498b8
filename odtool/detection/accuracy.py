"""How good detections are by COCO's rules: average precision and recall, in all and by class, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from odtool.dataset.types import Outline
from odtool.detection.detector import Detections

MaskPair: TypeAlias = tuple[Sequence[Outline], Sequence[Outline]]
"""Run lengths of an image's objects, and those of its detections."""
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
"""Recalls at which COCO takes the precision."""
MOST_DETECTIONS = 100
"""Of one class in one image, the best first; COCO looks at no more."""
_AREAS = ("all", "small", "medium", "large")
"""Rows of pycocotools' area ranges; the borders are 32 and 96 pixels squared."""
_LIMITS = (1, 10, MOST_DETECTIONS)


@dataclass(frozen=True)
class GroundTruth:
    """The objects that are in one image."""

    boxes: NDArray[np.float32]
    """[n, 4]: xmin, ymin, xmax, ymax in pixels, of the same image as the detections' boxes."""
    classes: NDArray[np.int64]
    """[n]: ids of the label map, from 1."""
    crowds: NDArray[np.bool_]
    """[n]: whether a box holds a crowd; detections on a crowd count neither way, and crowds are not to be found."""
    areas: NDArray[np.float32] | None = None
    """[n], in pixels, which tell small objects from large ones; None takes the boxes' own, as the API does."""

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True)
class CocoFigures:
    """COCO's twelve figures, 0 to 1; None for a set without such objects (COCO's -1)."""

    ap: float | None
    """Mean over the IoU thresholds .5, .55 to .95: what COCO calls mAP@[.5:.95]."""
    ap_50: float | None
    ap_75: float | None
    ap_small: float | None
    """Of objects below 32x32 pixels."""
    ap_medium: float | None
    ap_large: float | None
    """Of objects above 96x96 pixels."""
    ar_1: float | None
    """Recall, mean over the same thresholds, with one detection of each class in an image."""
    ar_10: float | None
    ar_100: float | None
    ar_small: float | None
    ar_medium: float | None
    ar_large: float | None


@dataclass(frozen=True)
class ClassAccuracy:
    """How one class fared."""

    figures: CocoFigures
    objects: int
    """To be found; without crowds."""
    images: int
    """With at least one of these."""
    precision: NDArray[np.float64]
    """[10, 101]: at each of IOU_THRESHOLDS and RECALLS, made to fall as COCO does; -1 where there is no object."""
    scores: NDArray[np.float64]
    """[d]: of the detections that count at IoU .5, the best first."""
    correct: NDArray[np.bool_]
    """[d]: which of them match an object. What a higher threshold leaves matches the same, as the best match first."""


@dataclass(frozen=True)
class Accuracy:
    """What `compute_coco_metrics` finds."""

    figures: CocoFigures
    """Means over the classes that have objects."""
    by_class: Mapping[int, ClassAccuracy]
    """By the ids of the label map."""


def compute_coco_metrics(
    truth: Sequence[GroundTruth],
    detections: Sequence[Detections],
    classes: Iterable[int] | None = None,
    *,
    masks: Sequence[MaskPair] | None = None,
) -> Accuracy:
    """Compares detections with the truth, image by image, under COCO's rules.

    The result is that of the API's CocoDetectionEvaluator. Detections of equal score in different images are ranked
    in the order of the images; the evaluator's order is that of the hashes of their source ids.

    Args:
        truth: of each image.
        detections: in the same images.
        classes: the label map's ids; by default those that occur in the truth.
        masks: of each image. With them an overlap is that of masks and not of boxes; sizes are still the boxes'.
    """
    if len(truth) != len(detections):
        raise ValueError(f"{len(truth)} images with objects, {len(detections)} with detections")
    if classes is None:
        classes = {int(number) for image in truth for number in image.classes}
    by_class = {number: _compute_class(truth, detections, number, masks) for number in sorted(classes)}
    return Accuracy(_mean([item.figures for item in by_class.values()]), by_class)


def _compute_class(
    truth: Sequence[GroundTruth],
    detections: Sequence[Detections],
    number: int,
    masks: Sequence[MaskPair] | None,
) -> ClassAccuracy:
    """One class at a time: what pycocotools holds of a box is a dict, and there may be millions of them."""
    objects = {index: _list_objects(image, number) for index, image in enumerate(truth) if number in image.classes}
    detected = {
        index: _list_detections(image, number) for index, image in enumerate(detections) if number in image.classes
    }
    if masks is not None:
        for index, items in objects.items():
            _add_masks(items, masks[index][0], truth[index].classes == number)
        for index, items in detected.items():
            _add_masks(items, masks[index][1], detections[index].classes == number)
    evaluation = _evaluate(objects, detected, number, "bbox" if masks is None else "segm")
    counts = [sum(not item["iscrowd"] for item in items) for items in objects.values()]
    scores, correct = _rank(evaluation)
    precision = evaluation.eval["precision"][:, :, 0, 0, -1]
    return ClassAccuracy(
        _compute_figures(evaluation.eval), sum(counts), sum(map(bool, counts)), precision, scores, correct
    )


def _list_objects(image: GroundTruth, number: int) -> list[dict[str, Any]]:
    indices = np.flatnonzero(image.classes == number)
    boxes, crowds = image.boxes[indices], image.crowds[indices]
    sides = boxes[:, 2:] - boxes[:, :2]
    areas = sides[:, 0] * sides[:, 1] if image.areas is None else image.areas[indices]
    return [
        {"bbox": [*box, *side], "area": float(area), "iscrowd": int(crowd), "ignore": int(crowd)}
        for box, side, area, crowd in zip(boxes[:, :2].tolist(), sides.tolist(), areas, crowds, strict=True)
    ]


def _list_detections(image: Detections, number: int) -> list[dict[str, Any]]:
    indices = np.flatnonzero(image.classes == number)
    boxes = image.boxes[indices]
    sides = boxes[:, 2:] - boxes[:, :2]
    return [
        {"bbox": [*box, *side], "area": side[0] * side[1], "score": score}
        for box, side, score in zip(boxes[:, :2].tolist(), sides.tolist(), image.scores[indices].tolist(), strict=True)
    ]


def _add_masks(items: list[dict[str, Any]], outlines: Sequence[Outline], chosen: NDArray[np.bool_]) -> None:
    for item, index in zip(items, np.flatnonzero(chosen).tolist(), strict=True):
        outline = outlines[index]
        assert isinstance(outline.counts, str)
        item["segmentation"] = {"size": [outline.height, outline.width], "counts": outline.counts.encode("ascii")}


def _evaluate(objects: Mapping[int, list[Any]], detected: Mapping[int, list[Any]], number: int, overlap: str) -> Any:
    """pycocotools' evaluation, filled by hand: its own way in is a data set in memory."""
    from pycocotools.cocoeval import COCOeval

    evaluation = COCOeval(iouType=overlap)
    evaluation.params.imgIds = sorted({*objects, *detected})
    evaluation.params.catIds = [number]

    def fill() -> None:
        for filled, source in ((evaluation._gts, objects), (evaluation._dts, detected)):
            # Ids begin at 1: 0 says that nothing matches.
            ids = iter(range(1, sum(map(len, source.values())) + 1))
            for index, items in source.items():
                filled[index, number] = [{**item, "id": next(ids)} for item in items]

    evaluation._prepare = fill
    # pycocotools prints what it does.
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _rank(evaluation: Any) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scores and right or wrong of the detections that count at IoU .5, for objects of any size."""
    images = [image for image in evaluation.evalImgs[: len(evaluation.params.imgIds)] if image is not None]
    scores = _concatenate([image["dtScores"] for image in images])
    matches = _concatenate([image["dtMatches"][0] for image in images])
    counting = _concatenate([image["dtIgnore"][0] for image in images]) == 0
    order = np.argsort(-scores[counting], kind="mergesort")
    return scores[counting][order], (matches[counting] > 0)[order]


def _concatenate(parts: Sequence[Any]) -> NDArray[np.float64]:
    return np.concatenate([np.zeros(0), *parts])


def _compute_figures(arrays: Mapping[str, Any]) -> CocoFigures:
    """As COCOeval.summarize has them.

    Args:
        arrays: precision [10 IoU thresholds, 101 recalls, 1 class, 4 areas, 3 limits], and recall without the second.
    """
    precision, recall = arrays["precision"][:, :, 0], arrays["recall"][:, 0]
    return CocoFigures(
        _select_present(precision[..., 0, -1]),
        _select_present(precision[0, :, 0, -1]),
        _select_present(precision[5, :, 0, -1]),
        *(_select_present(precision[..., area, -1]) for area in range(1, len(_AREAS))),
        *(_select_present(recall[:, 0, limit]) for limit in range(len(_LIMITS))),
        *(_select_present(recall[:, area, -1]) for area in range(1, len(_AREAS))),
    )


def _select_present(values: NDArray[np.float64]) -> float | None:
    there = values[values > -1]
    return float(there.mean()) if there.size else None


def _mean(figures: Sequence[CocoFigures]) -> CocoFigures:
    """Of each figure, over the classes that have it."""
    columns = [[vars(item)[name] for item in figures] for name in CocoFigures.__dataclass_fields__]
    there = [[value for value in column if value is not None] for column in columns]
    return CocoFigures(*(sum(column) / len(column) if column else None for column in there))
