"""What training goes on with when it is started again."""

from __future__ import annotations

from pathlib import Path

import pytest

from odtool.api.run import train
from odtool.api.run.train import TrainRequest
from odtool.metrics import MetricsLog
from odtool.workspace import Run


@pytest.mark.parametrize(
    ("started_in", "asked", "expected"),
    [
        ([], None, "float32"),
        ([], "bfloat16", "bfloat16"),
        (["bfloat16"], None, "bfloat16"),
        (["bfloat16"], "float32", "float32"),
        (["float32", "bfloat16"], None, "bfloat16"),
        (["bfloat16", "float32"], None, "float32"),
        (["float8"], None, "float32"),
    ],
)
def test_a_run_keeps_the_precision_it_was_last_trained_in_unless_another_is_asked_for(
    started_in: list[str], asked: str | None, expected: str, tmp_path: Path
) -> None:
    run = Run(tmp_path / "train" / "run")
    run.path.mkdir(parents=True)
    log = MetricsLog(run.metrics)
    for step, precision in enumerate(started_in):
        log.write("start", step, {"num_steps": 9, "batch_size": 2, "precision": precision})
        log.write("train", step + 1, {"loss": 1.0})
    assert train._task(TrainRequest(precision=asked), run, 9).precision == expected


def test_a_run_of_an_earlier_version_is_trained_in_float32(tmp_path: Path) -> None:
    run = Run(tmp_path / "train" / "run")
    run.path.mkdir(parents=True)
    MetricsLog(run.metrics).write("start", 0, {"num_steps": 9, "batch_size": 2})
    assert train.find_precision(run) == "float32"
