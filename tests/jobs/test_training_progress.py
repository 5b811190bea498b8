"""How far a training has come, by its metrics."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from odtool.jobs import training_progress
from odtool.jobs.training_progress import TrainingProgress


def line(kind: str, step: int, **values: object) -> str:
    return json.dumps({"kind": kind, "step": step, "time": 1.5, "values": values}) + "\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def test_a_run_without_metrics_has_no_progress(path: Path) -> None:
    assert training_progress.read(path) == TrainingProgress()


def test_progress_is_that_of_the_newest_lines(path: Path) -> None:
    path.write_text(
        line("start", 0, num_steps=300, batch_size=8)
        + line("train", 10, loss=2.0, learning_rate=0.1, steps_per_second=3.0)
        + line("eval", 0)
        + line("train", 20, loss=1.0, learning_rate=0.2, steps_per_second=4.0)
    )
    found = training_progress.read(path)
    assert found == TrainingProgress(20, 300, 8, 1.0, 0.2, 4.0, 0)
    assert found.eta_seconds == 70


def test_a_checkpoint_that_was_whole_only_after_later_steps_does_not_set_progress_back(path: Path) -> None:
    path.write_text(
        line("start", 0, num_steps=300)
        + line("train", 10, loss=2.0)
        + line("train", 14, loss=2.0)
        + line("checkpoint", 12, path="ckpt-12")
    )
    assert training_progress.read(path).step == 14
    with path.open("a") as stream:
        stream.write(line("checkpoint", 18, path="ckpt-18"))
    assert training_progress.read(path).step == 18


def test_a_checkpoint_after_a_resume_is_not_taken_for_one_of_steps_before_it(path: Path) -> None:
    path.write_text(line("train", 90, loss=1.0) + line("start", 40) + line("checkpoint", 42, path="ckpt-42"))
    assert training_progress.read(path).step == 42


def test_after_a_resume_the_newest_line_holds_and_not_the_highest_step(path: Path) -> None:
    path.write_text(
        line("start", 0, num_steps=300, batch_size=8)
        + line("train", 150, loss=1.0, steps_per_second=2.0)
        + line("start", 100, num_steps=400, batch_size=4)
    )
    assert training_progress.read(path) == TrainingProgress(step=100, num_steps=400, batch_size=4, restarts=1)
    with path.open("a") as stream:
        stream.write(line("train", 110, loss=0.9))
    assert training_progress.read(path) == TrainingProgress(110, 400, 4, 0.9, restarts=1)


def test_waiting_is_an_average_of_the_latest_reports_of_this_start(path: Path) -> None:
    path.write_text(
        line("start", 0)
        + line("train", 1, input_wait=1.0)
        + line("start", 1, cache=True)
        + line("train", 2, input_wait=None)
        + "".join(line("train", step, input_wait=share) for step, share in ((3, 0.2), (4, 0.4), (5, "much")))
    )
    progress = training_progress.read(path)
    assert progress.input_wait == pytest.approx(0.3)
    assert progress.cache
    with path.open("a") as stream:
        stream.write("".join(line("train", step, input_wait=0.8) for step in range(6, 11)))
    assert training_progress.read(path).input_wait == pytest.approx(0.8)


def test_lines_of_an_earlier_start_say_nothing_of_the_present_one(path: Path) -> None:
    path.write_text(line("start", 0, num_steps=300) + line("train", 150, loss=1.0) + line("start", 100))
    assert training_progress.read(path, since=2.0) == TrainingProgress(restarts=1)
    assert training_progress.read(path, since=1.0).step == 100


def test_a_start_from_scratch_is_no_restart(path: Path) -> None:
    path.write_text(line("start", 0) + line("start", 0) + line("start", 5) + line("train", 6, note='"start"'))
    assert training_progress.read(path).restarts == 1


def test_values_of_other_types_are_none(path: Path) -> None:
    path.write_text(line("start", 0, num_steps="many") + line("train", 1, loss="low", steps_per_second=[1]))
    found = training_progress.read(path)
    assert (found.step, found.num_steps, found.loss, found.eta_seconds) == (1, None, None, None)
