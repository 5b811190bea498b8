"""Batch size, number of steps and the learning rate that follows them, whatever optimizer and schedule."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from odtool.errors import ConfigError
from odtool.pipeline.text import config
from odtool.pipeline.text.diff import Draft

DEFAULT_BATCH_SIZE = 8
"""For the zoo's models, which were trained with 16 to 512 on several devices: fits one GPU, and most CPUs."""

_RATES = {
    "constant_learning_rate": ("learning_rate",),
    "exponential_decay_learning_rate": ("initial_learning_rate", "burnin_learning_rate", "min_learning_rate"),
    "manual_step_learning_rate": ("initial_learning_rate",),
    "cosine_decay_learning_rate": ("learning_rate_base", "warmup_learning_rate"),
}
_STEPS = {
    "exponential_decay_learning_rate": ("decay_steps", "burnin_steps"),
    "cosine_decay_learning_rate": ("total_steps", "warmup_steps", "hold_base_rate_steps"),
}
MOST_STEPS = 2**31 - 1
"""The optimizer counts steps in 64 bits, but schedules compare them as int32."""


def set_batch_size(draft: Draft, size: int, reason: str) -> None:
    """Sets the batch size and scales the learning rate with it.

    The rate of momentum and RMSProp is scaled linearly (https://arxiv.org/abs/1706.02677); Adam's steps do not grow
    with the gradient, so its rate stays.
    """
    train_config = draft.message.train_config
    old = train_config.batch_size
    if size == old:
        return
    train_config.batch_size = size
    draft.because(reason, "train_config.batch_size")
    optimizer = train_config.optimizer.WhichOneof("optimizer")
    if optimizer == "adam_optimizer":
        draft.notes.append(f"Adam's learning rate is kept for batches of {size} instead of {old}")
    elif optimizer is not None and old > 0:
        _scale_rates(draft, size / old, f"scaled linearly with the batch, {old} → {size}")


def _scale_rates(draft: Draft, ratio: float, reason: str) -> None:
    path, schedule, name = _schedule(draft)
    for rate in _RATES.get(name, ()):
        # A rate of 0 is a choice (burn-in off, no minimum), and proto defaults count as what the API would use.
        if value := getattr(schedule, rate):
            setattr(schedule, rate, _rounded(value * ratio))
            draft.because(reason, f"{path}.{rate}")
    if name == "manual_step_learning_rate":
        for index, entry in enumerate(schedule.schedule):
            entry.learning_rate = _rounded(entry.learning_rate * ratio)
            draft.because(reason, f"{path}.schedule[{index}].learning_rate")


def set_steps(draft: Draft, steps: int, reason: str) -> None:
    """Sets the number of steps and stretches the learning rate's schedule with it.

    Raises:
        ConfigError: more steps than the API can count.
    """
    refuse_uncountable(steps)
    train_config = draft.message.train_config
    old = train_config.num_steps
    if steps == old:
        return
    train_config.num_steps = steps
    draft.because(reason, "train_config.num_steps")
    path, schedule, name = _schedule(draft)
    why = f"follows num_steps, {old} → {steps}"
    if name == "manual_step_learning_rate":
        _stretch_boundaries(schedule.schedule, old, steps)
        draft.because(why, f"{path}.schedule")
        return
    for field in _STEPS.get(name, ()):
        if value := getattr(schedule, field):
            setattr(schedule, field, _stretched(field, value, old, steps))
            draft.because(why, f"{path}.{field}")


def refuse_uncountable(steps: int) -> None:
    """Raises ConfigError for more steps than the API can count."""
    if steps > MOST_STEPS:
        raise ConfigError(f"{steps} steps are more than the API counts", f"Give at most {MOST_STEPS}.")


def _stretched(field: str, value: int, old: int, steps: int) -> int:
    if old > 0:
        new = round(value * steps / old)
    else:  # a config without num_steps says nothing of proportions
        new = steps if field in ("total_steps", "decay_steps") else min(value, steps // 10)
    least = 1 if field in ("total_steps", "decay_steps") else 0
    return min(max(new, least), MOST_STEPS)


def _stretch_boundaries(entries: Any, old: int, steps: int) -> None:
    last = 0
    for entry in entries:
        # The API wants them strictly increasing, from 1.
        entry.step = max(last + 1, round(entry.step * steps / old) if old > 0 else entry.step)
        last = entry.step


def steps_for(epochs: float, images: int, batch_size: int) -> int:
    """Steps that show every training image `epochs` times."""
    return max(1, math.ceil(epochs * images / batch_size))


def rates(draft: Draft) -> Iterator[tuple[str, float]]:
    """The schedule's rates by path."""
    path, schedule, name = _schedule(draft)
    for rate in _RATES.get(name, ()):
        yield f"{path}.{rate}", getattr(schedule, rate)


def _schedule(draft: Draft) -> tuple[str, Any, str]:
    """Path, message and name of the learning rate's schedule; an empty name where the config has none."""
    optimizer = config.optimizer(draft.config)
    if optimizer is None:
        return "", None, ""
    kind = draft.message.train_config.optimizer.WhichOneof("optimizer")
    name = optimizer.learning_rate.WhichOneof("learning_rate")
    if name is None:
        return "", None, ""
    return f"train_config.optimizer.{kind}.learning_rate.{name}", getattr(optimizer.learning_rate, name), str(name)


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
