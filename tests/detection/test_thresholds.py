from __future__ import annotations

import numpy as np
import pytest

from odtool.detection import thresholds
from odtool.detection.detector import Detections
from odtool.detection.thresholds import Thresholds
from odtool.errors import DataError


def test_a_class_may_have_a_threshold_of_its_own() -> None:
    parsed = thresholds.parse(["0.4", "car=0.3", "a=b=0.9"])
    assert parsed == Thresholds(0.4, {"car": 0.3, "a=b": 0.9})
    assert parsed.lowest == 0.3
    assert parsed.for_labels({1: "a=b", 2: "car", 3: "other"}) == {1: 0.9, 2: 0.3}


def test_best_takes_what_the_model_carries_and_gives_way_to_what_is_said() -> None:
    asked = thresholds.parse(["best", "car=0.2", "0.6"])
    assert asked.complete({"car": 0.4, "dog": 0.3}, "m.onnx") == Thresholds(0.6, {"car": 0.2, "dog": 0.3})
    assert thresholds.parse(["0.4"]).complete({"car": 0.1}, "m.onnx") == Thresholds(0.4, {})
    assert thresholds.parse(["best=0.3"]).by_label == {"best": 0.3}


def test_best_of_a_model_that_carries_none_says_how_to_get_them() -> None:
    with pytest.raises(DataError, match=r"--min-score best: m\.onnx carries no thresholds") as caught:
        thresholds.parse(["best"]).complete({}, "m.onnx")
    assert "odtool report" in caught.value.hint
    assert "odtool export" in caught.value.hint


def test_one_half_is_usual() -> None:
    assert thresholds.parse([]) == Thresholds(0.5, {})


@pytest.mark.parametrize("text", ["", "car", "car=", "1.1", "-0.1", "car=2", "=0.5", "nan"])
def test_what_is_no_score_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="is not a score from 0 to 1"):
        thresholds.parse([text])


def test_a_class_that_the_model_does_not_have_is_refused_with_those_it_has() -> None:
    with pytest.raises(DataError, match="no such class") as caught:
        Thresholds(0.5, {"cart": 0.3}).for_labels({1: "car", 2: "dog"})
    assert caught.value.hint == "Its classes: car, dog"


def test_detections_below_the_score_of_their_class_are_left_out() -> None:
    boxes = np.arange(16, dtype=np.float32).reshape(4, 4)
    found = Detections(boxes, np.array([0.9, 0.5, 0.45, 0.31], np.float32), np.array([1, 1, 1, 2]), 9, 9)
    sure = thresholds.select_surest(found, 0.5, {2: 0.3})
    assert sure.classes.tolist() == [1, 1, 2]
    assert sure.boxes.tolist() == boxes[[0, 1, 3]].tolist()
