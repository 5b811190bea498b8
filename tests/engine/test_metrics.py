"""metrics.jsonl survives killed writers and says what has been scored."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from odtool.engine import metrics
from odtool.engine.metrics import Entry, MetricsLog


def entry(kind: str, step: int, **values: Any) -> Entry:
    return Entry(kind, step, 0.0, values)


def scored(step: int, sample: int = 1) -> Entry:
    return entry("eval", step, checkpoint=f"ckpt-{step}", sample_1_of_n=sample)


def test_a_line_is_one_object_and_numbers_that_json_has_not_are_null(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl", clock=lambda: 12.5)
    log.write("train", 3, {"loss": math.nan, "rate": math.inf, "speed": 2, "path": "ckpt-3", "none": None})
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    values = {"loss": None, "rate": None, "speed": 2, "path": "ckpt-3", "none": None}
    assert json.loads(line) == {"kind": "train", "step": 3, "time": 12.5, "values": values}


def test_a_line_broken_by_a_kill_is_ended_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    MetricsLog(path).write("train", 1, {})
    with path.open("a") as stream:
        stream.write('{"kind": "train", "st')
    MetricsLog(path).write("train", 2, {})
    assert [line.step for line in metrics.read(path)] == [1, 2]
    assert path.read_text().count("\n") == 3


@given(st.binary())
def test_reading_never_fails_on_what_is_in_the_file(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics.jsonl"
        path.write_bytes(content)
        metrics.read(path)


def test_a_run_without_a_file_has_no_entries(tmp_path: Path) -> None:
    assert metrics.read(tmp_path / "metrics.jsonl") == []


def test_a_checkpoint_counts_as_scored_only_for_the_sample_asked_for() -> None:
    assert metrics.scored_checkpoints([scored(5, sample=10), scored(6)], sample=1) == {"ckpt-6"}
    assert metrics.scored_checkpoints([scored(5, sample=10), scored(6)]) == {"ckpt-5", "ckpt-6"}


def test_scores_of_steps_that_are_trained_anew_are_forgotten() -> None:
    history = [scored(5), scored(10), entry("best", 10), entry("start", 5), scored(15)]
    assert metrics.scored_checkpoints(history) == {"ckpt-5", "ckpt-15"}
    assert metrics.best(history) is None


def test_the_newest_start_says_how_many_checkpoints_to_keep() -> None:
    assert metrics.keep_checkpoints([entry("start", 0, keep_checkpoints=3), entry("start", 4, keep_checkpoints=5)]) == 5
    assert metrics.keep_checkpoints([]) is None
