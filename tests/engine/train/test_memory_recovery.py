"""What follows a training that lacked memory: its config rewritten for half the batch."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from odtool import metrics
from odtool.engine.train.memory_recovery import recover
from odtool.errors import ConfigError
from odtool.pipeline.checks.check_list import refuse_errors
from odtool.pipeline.checks.training_length import check_learning_rate
from odtool.pipeline.text import config
from odtool.pipeline.text.facts import derive_facts
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
    # Half the rate, and a little less, so that the longer cosine passes through half of what it was at step 40.
    assert (rate.learning_rate_base, rate.total_steps) == (pytest.approx(0.005 * 0.99606 / 0.99897, rel=1e-4), 1960)
    (entry,) = metrics.read(run.metrics)
    assert (entry.kind, entry.step, entry.values["batch_size"]) == ("recover", 40, 4)
    assert entry.values["reason"] == "killed by SIGKILL"
    assert {change["field"] for change in entry.values["changes"]} > {"train_config.batch_size"}


SCHEDULES = [
    "constant_learning_rate { learning_rate: 0.4 }",
    "cosine_decay_learning_rate { learning_rate_base: 0.4 total_steps: 100 warmup_learning_rate: 0.1 warmup_steps: 0 }",
    "cosine_decay_learning_rate { learning_rate_base: 0.4 total_steps: 100 warmup_learning_rate: 0.1 "
    "warmup_steps: 60 }",
    "cosine_decay_learning_rate { learning_rate_base: 0.4 total_steps: 100 warmup_learning_rate: 0.1 warmup_steps: 10 "
    "hold_base_rate_steps: 50 }",
    "exponential_decay_learning_rate { initial_learning_rate: 0.4 decay_steps: 20 decay_factor: 0.5 staircase: false "
    "burnin_learning_rate: 0.1 burnin_steps: 5 }",
    "manual_step_learning_rate { initial_learning_rate: 0.4 schedule { step: 30 learning_rate: 0.2 } "
    "schedule { step: 70 learning_rate: 0.1 } }",
]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_learning_rate_goes_on_from_where_it_was(api: Any, new_run: Callable[..., Run], schedule: str) -> None:
    from google.protobuf import text_format
    from object_detection.builders import optimizer_builder

    def scheduled(message: Any) -> None:
        with_batch(8)(message)
        rate = message.train_config.optimizer.momentum_optimizer.learning_rate
        rate.Clear()
        text_format.Parse(schedule, rate)

    def rates(run: Run) -> list[float]:
        """Of each step, by the API's own schedule."""
        settings = config.load(run.pipeline_config).message.train_config
        step = api.Variable(0, dtype=api.int64)
        _, (rate,) = optimizer_builder.build(settings.optimizer, global_step=step)
        found = []
        for number in range(settings.num_steps):
            step.assign(number)
            found.append(float(rate() if callable(rate) else rate))
        return found

    run = new_run(scheduled)
    run.checkpoint(40).with_suffix(".index").touch()
    before = rates(run)
    recover(run, "why", devices=1)
    after = rates(run)
    assert len(after) == 160
    assert after[40] == pytest.approx(before[40] / 2, rel=1e-3)
    for step in (44, 50, 66, 90):
        # The longer cosine is not the same curve, but never far from it.
        assert after[40 + 2 * (step - 40)] == pytest.approx(before[step] / 2, rel=0.1, abs=0.012)


def test_a_run_that_the_stock_loop_began_has_the_steps_of_its_last_start(new_run: Callable[..., Run]) -> None:
    run = new_run(with_batch(8))
    run.checkpoint(2).with_suffix(".index").touch()  # its second save
    log = metrics.MetricsLog(run.metrics)
    for step in (90, 40):
        log.write("start", step, {})
    assert recover(run, "why", devices=1).endswith("steps 100 → 160, from step 40")


@pytest.mark.parametrize("done", [90, 97, 99])
def test_late_in_a_cosine_its_warm_up_does_not_start_above_it(new_run: Callable[..., Run], done: int) -> None:
    def warm(message: Any) -> None:
        with_batch(8)(message)
        rate = message.train_config.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate
        rate.learning_rate_base, rate.total_steps = 0.08, 100
        rate.warmup_learning_rate, rate.warmup_steps = 0.027, 10

    run = new_run(warm)
    run.checkpoint(done).with_suffix(".index").touch()
    recover(run, "why", devices=1)
    made = config.load(run.pipeline_config)
    refuse_errors(derive_facts(made), [check_learning_rate])  # as the API does
    rate = made.message.train_config.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate
    assert 0 < rate.warmup_learning_rate <= rate.learning_rate_base < 0.04


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


def test_more_steps_than_the_api_counts_are_refused_and_nothing_changed(new_run: Callable[..., Run]) -> None:
    def endless(message: Any) -> None:
        with_batch(8)(message)
        message.train_config.num_steps = 2**30 + 40
        rate = message.train_config.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate
        rate.total_steps = 2**32 - 1

    run = new_run(endless)
    before = run.pipeline_config.read_text()
    with pytest.raises(ConfigError, match="2147483728 steps are more than the API can count"):
        recover(run, "why", devices=1)
    assert run.pipeline_config.read_text() == before
    run.checkpoint(2**20).with_suffix(".index").touch()
    recover(run, "why", devices=1)
    changed = config.load(run.pipeline_config).message.train_config
    assert changed.num_steps == 2**31 - 2**20 + 80
    assert changed.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate.total_steps == 2**31 - 1


@pytest.mark.slow
def test_a_training_that_meets_a_real_limit_of_memory_goes_on_with_half_the_batch(new_run: Callable[..., Run]) -> None:
    def hungry(message: Any) -> None:
        message.train_config.batch_size = 256
        message.train_config.num_steps = 2
        message.train_config.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate.total_steps = 2

    run = new_run(hungry)
    space = run.path.parent.parent

    def limit() -> None:
        # A batch of 64 fits into this much private memory, one of 256 does not.
        resource.setrlimit(resource.RLIMIT_DATA, (1_600_000_000, 1_600_000_000))

    command = [sys.executable, "-m", "odtool", "train", run.name, "--foreground", "--gpu", "cpu", "-w", str(space)]
    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    changed = config.load(run.pipeline_config).message.train_config
    assert changed.batch_size in (128, 64, 32, 16)
    assert changed.num_steps == 2 * 256 // changed.batch_size
    rate = changed.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate.learning_rate_base
    assert rate == pytest.approx(0.01 * changed.batch_size / 256)
    made = [entry for entry in metrics.read(run.metrics) if entry.kind == "recover"]
    assert made[-1].values["batch_size"] == changed.batch_size
    assert max(run.checkpoints()) == changed.num_steps
    asked = [sys.executable, "-m", "odtool", "status", run.name, "--json", "-w", str(space)]
    told = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)["train"]
    assert (told["state"], told["batch_size"]) == ("finished", changed.batch_size)
    assert len(told["recoveries"]) == len(made)
    assert all(recovery["reason"] for recovery in told["recoveries"])
