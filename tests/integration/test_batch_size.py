"""A batch size measured with the real engine: it fits the memory given, and the next power of two does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset import synthetic


@pytest.mark.slow
def test_the_batch_chosen_fits_and_the_next_power_of_two_does_not(odtool: Callable[..., Any], tmp_path: Path) -> None:
    synthetic.draw(tmp_path / "drawings", images=80)
    assert odtool("prepare", "drawings", cwd=tmp_path).returncode == 0
    larger = [f"model.ssd.image_resizer.fixed_shape_resizer.{side}=256" for side in ("height", "width")]
    wishes = [word for wish in larger for word in ("--set", wish)]
    limit = ("--batch-size", "auto", "--memory", "1.45GB", "--gpu", "cpu")
    done = odtool("configure", "--model", "demo_ssd", *wishes, *limit, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    measured = {int(size): used for size, used in said["measured"]["peak_by_batch"].items()}
    assert said["measured"]["limit"] == 1_450_000_000
    assert measured[said["batch_size"]] <= 1_450_000_000
    twice = said["batch_size"] * 2
    if twice not in measured:  # as the line through the others left no doubt
        engine = [
            sys.executable,
            "-m",
            "odtool.engine",
            "measure",
            Path(said["path"]).parent,
            "--batch-size",
            str(twice),
        ]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
        answer = subprocess.run(engine, env=environment, capture_output=True, text=True, check=True)
        measured[twice] = json.loads(answer.stdout)["peak_bytes"]
    assert measured[twice] > 1_450_000_000
