"""What the metrics of a run say of its checkpoints."""

from __future__ import annotations

from typing import Any

from odtool.engine import checkpoint_scores
from odtool.metrics import Metric


def entry(kind: str, step: int, **values: Any) -> Metric:
    return Metric(kind, step, 0.0, values)


def scored(step: int, sample: int = 1) -> Metric:
    return entry("eval", step, checkpoint=f"ckpt-{step}", sample_1_of_n=sample)


def test_a_checkpoint_counts_as_scored_only_for_the_sample_asked_for() -> None:
    assert checkpoint_scores.find_scored([scored(5, sample=10), scored(6)], sample=1) == {"ckpt-6"}
    assert checkpoint_scores.find_scored([scored(5, sample=10), scored(6)]) == {"ckpt-5", "ckpt-6"}


def test_scores_of_steps_that_are_trained_anew_are_forgotten() -> None:
    history = [scored(5), scored(10), entry("best", 10), entry("start", 5), scored(15)]
    assert checkpoint_scores.find_scored(history) == {"ckpt-5", "ckpt-15"}
    assert checkpoint_scores.find_best(history) is None


def test_the_newest_start_says_how_many_checkpoints_to_keep() -> None:
    assert (
        checkpoint_scores.find_keep_count(
            [entry("start", 0, keep_checkpoints=3), entry("start", 4, keep_checkpoints=5)]
        )
        == 5
    )
    assert checkpoint_scores.find_keep_count([]) is None
