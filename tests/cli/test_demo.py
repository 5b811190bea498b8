"""odtool demo: what its one line says. The whole of it is in tests/integration/test_demo.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from odtool.cli import demo
from odtool.workspace import Run


def entry(kind: str, step: int, **values: float) -> str:
    return json.dumps({"kind": kind, "step": step, "time": 1.0, "values": values}) + "\n"


START = entry("start", 0, num_steps=300, batch_size=16)
MEAN = {"DetectionBoxes_Precision/mAP": 0.5}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "train: loading TensorFlow and building the model | eval: waiting for the first checkpoint"),
        (
            [entry("train", 150, loss=1.25, steps_per_second=3.0), entry("eval", 150, **MEAN)],
            "train: step 150/300, loss 1.250, 3.0 steps/s, 50s left | eval: step 150, mAP 0.500",
        ),
        (
            [entry("train", 300, loss=1.25, steps_per_second=3.0)],
            "train: step 300/300, loss 1.250 | eval: waiting for the first checkpoint",
        ),
    ],
)
def test_the_line_says_how_far_both_are(tmp_path: Path, lines: list[str], said: str) -> None:
    run = Run(tmp_path / "demo")
    run.path.mkdir()
    run.metrics.write_text(START + "".join(lines))
    assert demo._progress_line(run) == said
