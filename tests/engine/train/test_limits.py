"""What ends training before its last step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from odtool import locks, metrics
from odtool.engine.outcome import Ending
from odtool.engine.train.limits import LOOK_EVERY, Limits, Watch
from odtool.workspace import Run

MAP = "DetectionBoxes_Precision/mAP"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += LOOK_EVERY
        return self.now


def evaluated(log: metrics.MetricsLog, step: int, *, best: bool = False) -> None:
    line = ("eval", step, {MAP: 0.5, "checkpoint": f"ckpt-{step}"})
    log.write_together([line, *([("best", step, {"metric": MAP, "value": 0.5})] if best else [])])


def test_the_deadline_stops_and_nothing_before_it_does(tmp_path: Path) -> None:
    clock = Clock()
    watch = Watch(Run(tmp_path), Limits(deadline=clock.now + 2 * LOOK_EVERY), clock=clock)
    assert watch.look() is None
    assert watch.look() == Ending("stopped", "the time limit was reached")


def test_without_limits_nothing_ends_it(tmp_path: Path) -> None:
    log = metrics.MetricsLog(Run(tmp_path).metrics)
    for step in range(1, 9):
        evaluated(log, step, best=step == 1)
    assert Watch(Run(tmp_path), Limits(), clock=Clock()).look() is None


def test_evaluations_after_the_best_are_counted_by_checkpoint_and_from_the_best_on(tmp_path: Path) -> None:
    run = Run(tmp_path)
    watch = Watch(run, Limits(patience=2), clock=Clock())
    assert watch.look() is None
    log = metrics.MetricsLog(run.metrics)
    evaluated(log, 10, best=True)
    evaluated(log, 20)
    evaluated(log, 20)
    assert watch.look() is None
    evaluated(log, 30, best=True)
    evaluated(log, 40)
    assert watch.look() is None
    evaluated(log, 50)
    assert watch.look() == Ending(
        "finished", f"stopped early: 2 evaluations without improvement on {MAP} 0.5 of step 30"
    )


def test_an_evaluation_that_is_gone_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = Run(tmp_path / "mine")
    watch = Watch(run, Limits(patience=1), clock=Clock())
    held = locks.acquire(run.job_lock("eval"))
    assert held is not None
    for _ in range(90):
        watch.look()
    assert not caplog.messages
    os.close(held)
    for _ in range(90):
        watch.look()
    assert [message.endswith("start it again with: odtool eval mine") for message in caplog.messages] == [True]


def test_evaluations_of_steps_that_are_trained_anew_do_not_count(tmp_path: Path) -> None:
    run = Run(tmp_path)
    log = metrics.MetricsLog(run.metrics)
    evaluated(log, 10, best=True)
    evaluated(log, 20)
    log.write("start", 10, {})
    assert Watch(run, Limits(patience=1), clock=Clock()).look() is None
    evaluated(log, 20)
    assert Watch(run, Limits(patience=1), clock=Clock()).look() is not None
