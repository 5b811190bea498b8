"""The course of a run as its metrics tell it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from odtool.reporting import history


def write(path: Path, *lines: tuple[str, int, float, dict[str, Any]]) -> Path:
    keys = ("kind", "step", "time", "values")
    path.write_text("".join(json.dumps(dict(zip(keys, line, strict=True))) + "\n" for line in lines))
    return path


def test_steps_taken_twice_count_once(tmp_path: Path) -> None:
    past = history.read(
        write(
            tmp_path / "metrics.jsonl",
            ("start", 0, 10, {"num_steps": 40, "batch_size": 4}),
            ("train", 10, 20, {"loss": 3.0, "learning_rate": 0.1, "steps_per_second": 1.0}),
            ("train", 20, 30, {"loss": 9.0, "learning_rate": 0.1, "steps_per_second": 1.0}),
            ("eval", 20, 31, {"DetectionBoxes_Precision/mAP": 0.9, "checkpoint": "ckpt-20"}),
            ("start", 10, 5000, {"num_steps": 40, "batch_size": 4}),
            ("train", 20, 5010, {"loss": 2.0, "learning_rate": 0.05, "steps_per_second": 3.0}),
            ("eval", 20, 5011, {"DetectionBoxes_Precision/mAP": 0.4, "A (large)": -1.0, "checkpoint": "ckpt-20"}),
            ("end", 20, 5012, {"state": "stopped"}),
        )
    )
    assert past.losses["total"] == ((10, 3.0), (20, 2.0))
    assert past.curve("DetectionBoxes_Precision/mAP") == ((20, 0.4),)
    assert past.curve("A (large)") == ()
    assert (past.restarts, past.steps_per_second, past.training_seconds) == (1, 2.0, 32)
    assert [mishap.what for mishap in past.mishaps] == ["restarted from a checkpoint", "training stopped"]


def test_a_loss_that_is_not_finite_breaks_its_curve_and_is_told(tmp_path: Path) -> None:
    past = history.read(
        write(
            tmp_path / "metrics.jsonl",
            ("train", 1, 1, {"loss": 3.0}),
            ("train", 2, 2, {"loss": None}),
            ("not_finite", 2, 2, {"losses": [3.0], "records": [f"{number}.jpg" for number in range(10)]}),
            ("recover", 2, 3, {"reason": "out of memory", "batch_size": 2}),
        )
    )
    assert past.losses["total"] == ((1, 3.0), (2, None))
    assert past.mishaps[0].what.endswith("6.jpg, 7.jpg and 2 more")
    assert past.mishaps[1].what == "batch size lowered to 2: out of memory"


def test_a_long_run_is_thinned_but_keeps_its_end(tmp_path: Path) -> None:
    lines = [("train", step, float(step), {"loss": float(step), "Loss/x_y_loss": 1.0}) for step in range(5000)]
    past = history.read(write(tmp_path / "metrics.jsonl", *lines))
    assert 300 < len(past.losses["total"]) <= 402
    assert past.losses["total"][-1] == (4999, 4999.0)
    assert list(past.losses) == ["total", "x y"]


def test_a_run_not_yet_started_has_an_empty_course(tmp_path: Path) -> None:
    past = history.read(tmp_path / "metrics.jsonl")
    assert (past.losses, past.evaluations, past.step, past.best) == ({}, (), None, None)
