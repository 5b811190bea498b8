"""odtool tune with the real engine: trials that train and are scored, and a run configured like the best of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset import synthetic

pytestmark = pytest.mark.slow


def test_two_trials_are_trained_and_the_better_one_is_taken_over(odtool: Callable[..., Any], tmp_path: Path) -> None:
    synthetic.draw(tmp_path / "drawings", images=12)
    (tmp_path / "space.toml").write_text("learning_rate = [0.002, 0.004]\naugmentation = [true, false]\n")
    for command in (
        ("prepare", "drawings", "--val", "0.25"),
        ("configure", "--model", "demo_ssd", "--run", "small", "--steps", 40, "--batch-size", 2),
    ):
        done = odtool(*command, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    tune = ("tune", "small", "--gpu", "cpu", "--trials", 2, "--space", "space.toml", "--steps", 8, "--evaluations", 2)
    done = odtool(*tune, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    study = json.loads(done.stdout)
    assert [trial["state"] for trial in study["trials"]] == ["complete", "complete"]
    assert all(trial["scores"].keys() == {"1", "2"} for trial in study["trials"])
    assert "trials by parameter" in Path(study["page"]).read_text()
    for trial in study["trials"]:
        run = tmp_path / "train" / trial["run"]
        assert (run / "ckpt-8.index").exists()
        assert (run / "best" / "metrics.json").exists()
        shown = json.loads(odtool("status", trial["run"], "--json", cwd=tmp_path).stdout)
        assert (shown["train"]["state"], shown["eval"]["state"]) == ("finished", "finished")
    done = odtool("configure", "--like-trial", "small/best", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert (made["run"], made["num_steps"]) == ("small-tuned", 40)
