"""What a training says on its way."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from odtool import metrics
from odtool.workspace import Run


@pytest.mark.usefixtures("api")
def test_a_time_left_is_told_until_the_last_step(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from odtool.engine.train.step_reports import TOTAL_LOSS, StepReporter

    caplog.set_level(logging.INFO, logger="odtool.engine")
    progress = StepReporter(Run(tmp_path), num_steps=4, writes=False)
    progress.begin(0, {})
    for step in (1, 2, 4):
        progress.report(step, {TOTAL_LOSS: 0.5}, 0.1, 0.0, first=step == 1)
    first, middle, last = caplog.messages
    assert first == "step 1/4, loss 0.5000, learning rate 0.1"
    assert middle.endswith(" left")
    assert last.endswith(" steps/s")


@pytest.mark.usefixtures("api")
def test_waiting_is_told_as_a_share_of_the_time_and_not_for_the_first_step(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from odtool.engine.train.step_reports import TOTAL_LOSS, StepReporter

    caplog.set_level(logging.INFO, logger="odtool.engine")
    progress = StepReporter(Run(tmp_path), num_steps=4, writes=True)
    progress.begin(0, {})
    for step, waited in ((1, 1e6), (2, 0.0), (3, 1e6)):
        progress.report(step, {TOTAL_LOSS: 0.5}, 0.1, waited, first=step == 1)
    assert [line.values["input_wait"] for line in metrics.read(Run(tmp_path).metrics, "train")] == [None, 0, 1]
    assert ["100% of the time waiting for input" in message for message in caplog.messages] == [False, False, True]


def test_a_training_that_begins_anew_says_so_to_tensorboard(api: Any, tmp_path: Path) -> None:
    from odtool.engine.train.step_reports import StepReporter

    def begin() -> int:
        progress = StepReporter(Run(tmp_path), num_steps=4, writes=True)
        progress.begin(0, {})
        with progress.writing_pictures():
            api.summary.scalar("loss", 1.0, step=1)
        progress.end(0, "failed")
        return len(list(Run(tmp_path).events("train").glob("*.restart")))

    assert [begin(), begin()] == [0, 1]
