"""A workspace that is moved after a training: what its commands do in the new place."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset import synthetic

pytestmark = pytest.mark.slow


def test_a_moved_workspace_trains_on_and_is_evaluated_exported_and_reported(
    odtool: Callable[..., Any], tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new [place]" / "shop"
    old.mkdir()
    synthetic.draw(old / "drawings", images=16)

    def run(place: Path, *command: object) -> Any:
        done = odtool(*command, cwd=place)
        assert done.returncode == 0, done.stderr + done.stdout
        return done

    train = ("train", "--foreground", "--gpu", "cpu", "--checkpoint-every", 3)
    run(old, "prepare", "drawings", "--val", "0.25")
    run(old, "configure", "--model", "demo_ssd", "--run", "small", "--steps", 3, "--batch-size", 2)
    run(old, *train)
    new.parent.mkdir()
    old.rename(new)

    config = new / "train" / "small" / "pipeline.config"
    text = config.read_text()
    config.write_text(re.sub("num_steps: 3", "num_steps: 6", text))
    told = f"4 paths in pipeline.config followed from {old} to {new}"
    assert told in run(new, *train).stderr
    assert {path.name for path in config.parent.glob("ckpt-*.index")} == {"ckpt-3.index", "ckpt-6.index"}
    steps = [line["step"] for line in map(json.loads, (config.parent / "metrics.jsonl").read_text().splitlines())
             if line["kind"] == "start"]  # fmt: skip
    assert steps == [0, 3]  # it went on
    assert told in run(new, "eval", "--checkpoint", "latest", "--foreground").stderr
    checked = json.loads(run(new, "check", "--json").stdout)
    assert any(told in finding["message"] for finding in checked["findings"])
    assert not [finding for finding in checked["findings"] if finding["level"] == "error"]
    assert told in run(new, "export", "--format", "savedmodel").stderr
    assert told in run(new, "report").stderr
    assert told in run(new, "predict", "drawings", "--out", "found").stderr
    assert str(old) in config.read_text()  # the user's file stays as it is

    # A copy has the records of its own, and those alone.
    copy = tmp_path / "copy"
    shutil.copytree(new, copy)
    shutil.rmtree(copy / "data")
    assert (new / "data").is_dir()
    refused = odtool("train", "--foreground", cwd=copy)
    assert refused.returncode == 1
    assert f"no file matches {copy}/data/" in refused.stderr
