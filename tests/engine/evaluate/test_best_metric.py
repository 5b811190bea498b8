"""The metric by which the best checkpoint is chosen."""

from __future__ import annotations

import math

import pytest

from odtool.engine.evaluate import best_metric
from odtool.errors import OdtoolError


def test_one_that_the_evaluation_does_not_give_is_refused_with_those_it_gives() -> None:
    with pytest.raises(OdtoolError, match=r"--best nope: .* it gives a, b"):
        best_metric.get_value("nope", {"b": 1.0, "a": 0.5})


@pytest.mark.parametrize("number", [-1.0, math.nan, math.inf])
def test_no_score_is_no_candidate(number: float) -> None:
    assert best_metric.get_value("a", {"a": number}) is None


def test_losses_are_better_when_lower() -> None:
    assert best_metric.is_better("Loss/total_loss", 1, 2)
    assert not best_metric.is_better("DetectionBoxes_Precision/mAP", 1, 2)
    assert not best_metric.is_better("DetectionBoxes_Precision/mAP", 2, 2)
