"""What follows a training that lacked memory: its config rewritten for half the batch."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from odtool.engine import metrics
from odtool.pipeline import config
from odtool.workspace import Run

Engine = Callable[..., "subprocess.CompletedProcess[str]"]


def with_batch(size: int) -> Callable[[Any], None]:
    def change(message: Any) -> None:
        message.train_config.batch_size = size
        message.train_config.num_steps = 100

    return change


def test_half_the_batch_with_the_rate_and_as_many_images_still_to_be_seen(
    new_run: Callable[..., Run], engine: Engine
) -> None:
    run = new_run(with_batch(8))
    run.checkpoint(40).with_suffix(".index").touch()
    done = engine("recover", run.path, "killed by SIGKILL")
    assert done.returncode == 0, done.stderr
    assert "starting again: batch size 8 → 4, steps 100 → 160, from step 40" in done.stderr
    changed = config.load(run.pipeline_config).message.train_config
    assert (changed.batch_size, changed.num_steps) == (4, 160)
    rate = changed.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate
    assert (rate.learning_rate_base, rate.total_steps) == (pytest.approx(0.005), 1600)
    (entry,) = metrics.read(run.metrics)
    assert (entry.kind, entry.step, entry.values["batch_size"]) == ("recover", 40, 4)
    assert entry.values["reason"] == "killed by SIGKILL"
    assert {change["field"] for change in entry.values["changes"]} > {"train_config.batch_size"}


@pytest.mark.parametrize(("batch", "devices", "half"), [(6, 2, 2), (12, 4, 4), (3, 1, 1)])
def test_the_batch_stays_one_that_the_devices_can_share(
    new_run: Callable[..., Run], engine: Engine, batch: int, devices: int, half: int
) -> None:
    run = new_run(with_batch(batch))
    assert engine("recover", run.path, "why", "--devices", devices).returncode == 0
    assert config.load(run.pipeline_config).message.train_config.batch_size == half


def test_a_batch_that_cannot_be_smaller_is_refused_and_nothing_changed(
    new_run: Callable[..., Run], engine: Engine
) -> None:
    run = new_run(with_batch(2))
    before = run.pipeline_config.read_text()
    done = engine("recover", run.path, "why", "--devices", 2)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("with a batch of 2, 1 image on each device: it cannot be halved")
    assert run.pipeline_config.read_text() == before
    assert not run.metrics.exists()
