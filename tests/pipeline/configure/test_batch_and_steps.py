"""Batch size, steps and the learning rate that follows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.errors import ConfigError
from odtool.pipeline.configure import batch_and_steps
from odtool.pipeline.text import config
from odtool.pipeline.text.draft import ConfigDraft
from odtool.pipeline.text.facts import find_learning_rate


def draft(schedule: str, optimizer: str = "momentum_optimizer", steps: int = 1000) -> ConfigDraft:
    text = f"batch_size: 64 num_steps: {steps} optimizer {{ {optimizer} {{ learning_rate {{ {schedule} }} }} }}"
    return ConfigDraft(config.parse(f"train_config {{ {text} }}", "f"))


def find_schedule(made: ConfigDraft) -> object:
    rate = find_learning_rate(made.config)
    assert rate is not None
    return rate.schedule


COSINE = """cosine_decay_learning_rate {
  learning_rate_base: 0.08 total_steps: 1000 warmup_learning_rate: 0.02 warmup_steps: 100 hold_base_rate_steps: 10 }"""


@pytest.mark.parametrize("optimizer", ["momentum_optimizer", "rms_prop_optimizer"])
def test_the_rate_is_scaled_linearly_with_the_batch(optimizer: str) -> None:
    made = draft(COSINE, optimizer)
    batch_and_steps.set_batch_size(made, 16, "--batch-size")
    schedule = find_schedule(made)
    assert schedule.learning_rate_base == pytest.approx(0.02)
    assert schedule.warmup_learning_rate == pytest.approx(0.005)
    assert made.message.train_config.batch_size == 16


def test_adams_rate_stays_and_that_is_said() -> None:
    made = draft(COSINE, "adam_optimizer")
    batch_and_steps.set_batch_size(made, 16, "--batch-size")
    assert find_schedule(made).learning_rate_base == pytest.approx(0.08)
    assert made.notes == ["Adam's learning rate stays the same for batches of 16 instead of 64"]


def test_manual_steps_scale_in_rate_and_stretch_in_time() -> None:
    made = draft(
        "manual_step_learning_rate { initial_learning_rate: 0.1 "
        "schedule { step: 600 learning_rate: 0.01 } schedule { step: 900 learning_rate: 0.001 } }"
    )
    batch_and_steps.set_batch_size(made, 32, "")
    batch_and_steps.set_steps(made, 10, "")
    schedule = find_schedule(made)
    assert schedule.initial_learning_rate == pytest.approx(0.05)
    assert [(entry.step, round(entry.learning_rate, 6)) for entry in schedule.schedule] == [(6, 0.005), (9, 0.0005)]


def test_boundaries_stay_strictly_increasing() -> None:
    made = draft("manual_step_learning_rate { schedule { step: 600 } schedule { step: 601 } schedule { step: 602 } }")
    batch_and_steps.set_steps(made, 3, "")
    assert [entry.step for entry in find_schedule(made).schedule] == [2, 3, 4]


def test_exponential_decay_stretches() -> None:
    made = draft("exponential_decay_learning_rate { decay_steps: 500 burnin_steps: 20 min_learning_rate: 0.001 }")
    batch_and_steps.set_steps(made, 2000, "")
    assert (find_schedule(made).decay_steps, find_schedule(made).burnin_steps) == (1000, 40)


def test_a_constant_rate_needs_no_stretching() -> None:
    made = draft("constant_learning_rate { learning_rate: 0.1 }")
    batch_and_steps.set_steps(made, 10, "--steps")
    assert list(made.reasons) == ["train_config.num_steps"]


def test_without_old_steps_the_schedule_ends_with_the_training() -> None:
    made = draft(COSINE, steps=0)
    batch_and_steps.set_steps(made, 200, "")
    schedule = find_schedule(made)
    assert (schedule.total_steps, schedule.warmup_steps) == (200, 20)


def test_a_config_without_an_optimizer_keeps_its_steps_alone() -> None:
    made = ConfigDraft(config.parse("train_config { num_steps: 5 }", "f"))
    batch_and_steps.set_steps(made, 10, "")
    batch_and_steps.set_batch_size(made, 4, "")
    assert made.message.train_config.num_steps == 10


def test_more_steps_than_the_api_counts_are_refused() -> None:
    with pytest.raises(ConfigError, match="more than the API can count"):
        batch_and_steps.set_steps(draft(COSINE), 2**31, "")


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.floats(0, 1))
def test_the_warm_up_never_outlasts_the_schedule(old: int, new: int, share: float) -> None:
    warmup = int(old * share)
    made = draft(f"cosine_decay_learning_rate {{ total_steps: {old} warmup_steps: {warmup} }}", steps=old)
    batch_and_steps.set_steps(made, new, "")
    schedule = find_schedule(made)
    assert schedule.total_steps == new
    assert 0 <= schedule.warmup_steps <= schedule.total_steps


@pytest.mark.parametrize(("epochs", "images", "batch", "steps"), [(1, 100, 8, 13), (2.5, 4, 2, 5), (0.001, 10, 8, 1)])
def test_epochs_become_steps(epochs: float, images: int, batch: int, steps: int) -> None:
    assert batch_and_steps.compute_steps(epochs, images, batch) == steps
