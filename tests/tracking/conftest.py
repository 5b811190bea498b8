"""A run with figures, as training and evaluation write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from odtool.metrics import MetricsLog
from odtool.workspace import Run

Write = Callable[[int], None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """In a workspace of its own, with the config of a zoo's model."""
    from odtool.pipeline.text import config
    from odtool.pipeline.zoo import zoo

    run = Run(tmp_path / "my work" / "train" / "first run")
    run.path.mkdir(parents=True)
    built = zoo.build(zoo.find("ssd_mobilenet_v2_fpnlite_320x320"))
    built.message.train_config.batch_size = 7
    run.pipeline_config.write_text(config.dump(built))
    return run


@pytest.fixture
def write(run: Run) -> Write:
    """Appends the lines of one report, at a step."""
    times = iter(range(1_700_000_000, 1_800_000_000))
    log = MetricsLog(run.metrics, clock=lambda: next(times) + 0.25)

    def append(step: int) -> None:
        if not run.metrics.exists():
            log.write("start", 0, {"num_steps": 100, "batch_size": 7})
        log.write("train", step, {"loss": 10.0 / step, "learning_rate": float("nan")})
        scores = {"DetectionBoxes_Precision/mAP": step / 100, "DetectionBoxes_Precision/mAP (large)": -1.0}
        log.write("eval", step, {**scores, "checkpoint": f"ckpt-{step}"})

    return append
