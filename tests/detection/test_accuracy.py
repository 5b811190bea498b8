"""Average precision by COCO's rules, held against pycocotools' own way from data sets to figures."""

from __future__ import annotations

import contextlib
import io
from dataclasses import astuple, replace
from typing import Any

import numpy as np
import pytest
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from odtool.dataset.types import Outline
from odtool.detection.accuracy import Accuracy, CocoFigures, GroundTruth, compute_coco_metrics
from odtool.detection.detector import Detections

Pair = tuple[GroundTruth, Detections]


def image(objects: list[Any], detected: list[Any]) -> Pair:
    """Objects are (class, box, crowd), detections (class, box, score)."""
    crowds = np.array([item[2] for item in objects], bool)
    truth = GroundTruth(_boxes(objects), _classes(objects), crowds)
    scores = np.array([item[2] for item in detected], np.float32)
    return truth, Detections(_boxes(detected), scores, _classes(detected), 640, 480)


def _boxes(items: list[Any]) -> Any:
    return np.array([item[1] for item in items], np.float32).reshape(-1, 4)


def _classes(items: list[Any]) -> Any:
    return np.array([item[0] for item in items], np.int64)


def measured(*pairs: Pair, classes: Any = None) -> Accuracy:
    return compute_coco_metrics([truth for truth, _ in pairs], [found for _, found in pairs], classes)


def filled(boxes: Any) -> tuple[Outline, ...]:
    """Masks that fill boxes of whole pixels."""
    bitmaps = np.zeros((len(boxes), 480, 640), np.uint8)
    for bitmap, (xmin, ymin, xmax, ymax) in zip(bitmaps, boxes.astype(int), strict=True):
        bitmap[ymin:ymax, xmin:xmax] = 1
    runs = [mask.encode(np.asfortranarray(bitmap))["counts"].decode() for bitmap in bitmaps]
    return tuple(Outline(counts=text, width=640, height=480) for text in runs)


def test_masks_that_fill_their_boxes_score_as_these() -> None:
    pairs = [
        (replace(truth, boxes=np.rint(truth.boxes)), replace(found, boxes=np.clip(np.rint(found.boxes), 0, 480)))
        for truth, found in drawn(3, images=10)
    ]
    masks = [(filled(truth.boxes), filled(found.boxes)) for truth, found in pairs]
    truth, found = [truth for truth, _ in pairs], [found for _, found in pairs]
    by_masks, by_boxes = compute_coco_metrics(truth, found, masks=masks), compute_coco_metrics(truth, found)
    assert by_masks.figures.ap == pytest.approx(by_boxes.figures.ap, abs=0.03)  # boxes were clipped to 480 pixels
    assert by_boxes.figures.ap is not None
    assert by_boxes.figures.ap > 0.1


def test_the_overlap_of_masks_counts_and_not_that_of_their_boxes() -> None:
    box = np.array([[10, 10, 110, 110]], np.float32)
    pair = image([(1, box[0], False)], [(1, box[0], 0.9)])
    narrow = filled(np.array([[10, 10, 80, 110]]))
    for seen, right in ((filled(box), 10), (narrow, 4)):
        figures = compute_coco_metrics([pair[0]], [pair[1]], masks=[(filled(box), seen)]).figures
        assert figures.ap == pytest.approx(right / 10, abs=0.11)
        assert figures.ap_50 == pytest.approx(1)


def drawn(seed: int, images: int = 40, classes: int = 4) -> list[Pair]:
    """Objects of all sizes, and detections that are right, shifted, doubled, of another class, or nowhere."""
    chance = np.random.default_rng(seed)
    return [_drawn_image(chance, classes) for _ in range(images)]


def _drawn_image(chance: Any, classes: int) -> Pair:
    objects, detected = [], []
    for _ in range(chance.integers(0, 12)):
        side = np.exp(chance.uniform(np.log(8), np.log(300), 2))
        corner = chance.uniform(0, 200, 2)
        box = np.concatenate([corner, corner + side])
        number = int(chance.integers(1, classes + 1))
        objects.append((number, box, chance.random() < 0.1))
        for _ in range(chance.integers(0, 4)):
            shifted = box + chance.normal(0, 0.08, 4) * np.tile(side, 2)
            other = number if chance.random() < 0.8 else int(chance.integers(1, classes + 1))
            # Few distinct scores, so that many are equal.
            detected.append((other, shifted, round(chance.random(), 1)))
    chance.shuffle(detected)
    return image(objects, detected)


def stock(pairs: list[Pair], classes: int) -> Any:
    """pycocotools' evaluation of data sets in its own format."""
    truth, found = COCO(), COCO()
    base = {"images": [{"id": index} for index in range(len(pairs))]}
    base["categories"] = [{"id": number, "name": str(number)} for number in range(1, classes + 1)]
    objects, detected = [], []
    for index, (true, seen) in enumerate(pairs):
        for box, number, crowd in zip(true.boxes, true.classes, true.crowds, strict=True):
            width, height = box[2:] - box[:2]
            item = {"image_id": index, "category_id": int(number), "iscrowd": int(crowd), "id": len(objects) + 1}
            objects.append({**item, "bbox": [*map(float, box[:2]), float(width), float(height)]})
            objects[-1]["area"] = float(width * height)
        for box, number, score in zip(seen.boxes, seen.classes, seen.scores, strict=True):
            width, height = map(float, box[2:] - box[:2])
            item = {"image_id": index, "category_id": int(number), "score": float(score), "iscrowd": 0}
            detected.append({**item, "bbox": [*map(float, box[:2]), width, height], "area": width * height})
            detected[-1]["id"] = len(detected)
    truth.dataset, found.dataset = {**base, "annotations": objects}, {**base, "annotations": detected}
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        found.createIndex()
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def as_coco(figures: CocoFigures) -> list[float]:
    return [-1.0 if value is None else value for value in astuple(figures)]


@pytest.mark.parametrize("seed", range(6))
def test_the_figures_are_those_of_pycocotools(seed: int) -> None:
    pairs = drawn(seed)
    expected = stock(pairs, 5)  # the fifth class has no objects
    found = measured(*pairs, classes=range(1, 6))
    assert as_coco(found.figures) == pytest.approx(list(expected.stats), abs=1e-12)
    for index, item in enumerate(found.by_class.values()):
        assert np.array_equal(item.precision, expected.eval["precision"][:, :, index, 0, -1])
    assert found.by_class[5].figures.ap is None


def test_the_ranking_tells_precision_at_any_threshold() -> None:
    pairs = drawn(7)
    item = measured(*pairs).by_class[1]
    for threshold in (0.3, 0.65):
        kept = [
            (truth, Detections(seen.boxes[high], seen.scores[high], seen.classes[high], 640, 480))
            for truth, seen in pairs
            for high in [seen.scores >= threshold]
        ]
        alone = measured(*kept).by_class[1]
        high = item.scores >= np.float32(threshold)
        assert np.array_equal(item.correct[high], alone.correct)
        assert np.array_equal(item.scores[high], alone.scores)


BOX = (10, 10, 60, 60)


def test_a_detection_on_a_crowd_counts_neither_way() -> None:
    crowd = image([(1, (0, 0, 200, 200), True)], [(1, BOX, 0.9), (1, (300, 300, 340, 340), 0.8)])
    item = measured(image([(1, BOX, False)], [(1, BOX, 0.7)]), crowd).by_class[1]
    assert item.objects == item.images == 1
    assert item.correct.tolist() == [False, True]
    assert item.figures.ap == pytest.approx(0.5)


def test_a_class_without_objects_has_no_figures_but_its_detections_are_wrong() -> None:
    found = measured(image([], [(2, BOX, 0.5), (2, BOX, 0.25)]), classes=[1, 2])
    assert astuple(found.figures) == (None,) * 12
    assert found.by_class[2].correct.tolist() == [False, False]
    assert found.by_class[2].scores.tolist() == [0.5, 0.25]
    assert len(found.by_class[1].scores) == found.by_class[2].objects == 0


def test_without_images_there_are_no_figures() -> None:
    assert measured(classes=[1]).figures.ap is None
    assert measured().by_class == {}


def test_a_hundred_detections_of_a_class_in_an_image_are_looked_at() -> None:
    wrong = [(1, (300 + shift, 300, 320 + shift, 320), 0.9) for shift in range(100)]
    assert measured(image([(1, BOX, False)], [*wrong, (1, BOX, 0.1)])).by_class[1].figures.ap == 0
    assert measured(image([(1, BOX, False)], [*wrong[1:], (1, BOX, 0.1)])).by_class[1].figures.ap == pytest.approx(0.01)


def test_given_areas_tell_small_from_large() -> None:
    truth, found = image([(1, BOX, False)], [(1, BOX, 0.9)])
    small = GroundTruth(truth.boxes, truth.classes, truth.crowds, np.array([100.0], np.float32))
    assert measured((truth, found)).figures.ap_medium == pytest.approx(1)
    assert measured((small, found)).figures.ap_medium is None
    assert measured((small, found)).figures.ap_small == pytest.approx(1)


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="1 images with objects, 0 with detections"):
        compute_coco_metrics([image([], [])[0]], [])
