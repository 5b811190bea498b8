"""Checks of batch size, number of steps and the learning rate's schedule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from odtool.errors import ConfigError
from odtool.pipeline.checks.finding import Finding, convert_error, report_warning
from odtool.pipeline.text.facts import ConfigFacts

MOST_STEPS = 2**31 - 1
"""The optimizer counts steps in 64 bits, but schedules compare them as int32."""


def check_steps(facts: ConfigFacts) -> Iterator[Finding]:
    # Upstream documents num_steps: 0 as "for ever", and crashes on it with TensorFlow 2.
    if facts.num_steps < 1:
        hint = "Set how long to train: odtool configure --steps N"
        yield Finding("error", "settings", f"train_config.num_steps is {facts.num_steps}", hint)
    try:
        refuse_uncountable(facts.num_steps)
    except ConfigError as error:
        yield convert_error("settings", error, "train_config.num_steps")


def refuse_uncountable(steps: int) -> None:
    """Raises ConfigError for more steps than the API can count."""
    if steps > MOST_STEPS:
        raise ConfigError(f"{steps} steps are more than the API can count", f"Set at most {MOST_STEPS}.")


def check_batch_size(facts: ConfigFacts) -> Iterator[Finding]:
    try:
        refuse_batch_size(facts.batch_size, facts.devices)
    except ConfigError as error:
        yield Finding("error", "batch", error.message, error.hint)


def refuse_batch_size(batch_size: int, devices: int) -> None:
    """Raises ConfigError where there is no batch, or none of which all devices get an equal part.

    Args:
        devices: of all processes that train together.
    """
    if batch_size < 1:
        raise ConfigError(f"train_config.batch_size is {batch_size}", "Set at least 1: odtool configure --batch-size N")
    if batch_size % devices:
        raise ConfigError(
            f"train_config.batch_size {batch_size} cannot be split evenly across {devices} devices",
            f"Set a multiple of {devices}: odtool configure --batch-size N. Or train on fewer devices.",
        )


def check_learning_rate(facts: ConfigFacts) -> Iterator[Finding]:
    """What learning_schedules.py refuses, but only after the model is built."""
    rate = facts.learning_rate
    if rate is None:
        yield Finding(
            "error",
            "settings",
            "train_config.optimizer names no optimizer with a learning rate",
            "Set one, for example train_config.optimizer.adam_optimizer.learning_rate.constant_learning_rate."
            "learning_rate=0.001",
        )
    elif rate.kind == "manual_step_learning_rate":
        yield from _check_manual_steps([entry.step for entry in rate.schedule.schedule])
    elif rate.kind == "cosine_decay_learning_rate":
        yield from _check_warmup(rate.schedule)


def _check_manual_steps(steps: list[int]) -> Iterator[Finding]:
    if not steps or steps[0] < 1 or steps != sorted(set(steps)):
        yield Finding(
            "error",
            "settings",
            f"manual_step_learning_rate.schedule: steps {', '.join(map(str, steps)) or 'are missing'}",
            "List at least one step. The first must be above 0, and each above the one before.",
        )


def _check_warmup(schedule: Any) -> Iterator[Finding]:
    if schedule.warmup_steps > schedule.total_steps:
        yield Finding(
            "error",
            "settings",
            f"cosine_decay_learning_rate: warmup_steps {schedule.warmup_steps} is above total_steps "
            f"{schedule.total_steps}",
            "The warm-up must end before the schedule does.",
        )
    if schedule.warmup_steps and schedule.warmup_learning_rate > schedule.learning_rate_base:
        yield Finding(
            "error",
            "settings",
            f"cosine_decay_learning_rate: warmup_learning_rate {schedule.warmup_learning_rate:g} is above "
            f"learning_rate_base {schedule.learning_rate_base:g}",
            "The warm-up must not start above the rate that it leads to.",
        )


def check_schedule_length(facts: ConfigFacts) -> Iterator[Finding]:
    """A cosine that is longer or shorter than the training: it trains, but hardly as meant."""
    rate, steps = facts.learning_rate, facts.num_steps
    if rate is None or rate.kind != "cosine_decay_learning_rate":
        return
    schedule = rate.schedule
    both = f"--set {rate.path}.total_steps={steps}; --steps sets both"
    if schedule.total_steps < steps:
        yield report_warning(f"the learning rate is 0 from step {schedule.total_steps:,} of {steps:,} on", both)
    elif schedule.warmup_steps >= steps:
        yield report_warning(
            f"all {steps:,} steps are warm-up, which takes {schedule.warmup_steps:,}",
            f"--steps {steps} scales the whole schedule",
        )
    elif schedule.total_steps > steps:
        yield report_warning(f"training ends at step {steps:,} of a schedule of {schedule.total_steps:,}", both)
