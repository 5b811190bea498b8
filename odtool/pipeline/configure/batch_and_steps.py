"""Batch size, number of steps and the learning rate that follows them, whatever optimizer and schedule."""

from __future__ import annotations

import math
from typing import Any

from odtool.pipeline.checks.training_length import MOST_STEPS, refuse_uncountable
from odtool.pipeline.text.draft import ConfigDraft
from odtool.pipeline.text.facts import LearningRate, find_learning_rate

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


def set_batch_size(draft: ConfigDraft, size: int, reason: str) -> None:
    """Sets the batch size and scales the learning rate with it.

    The rate of momentum and RMSProp is scaled linearly (https://arxiv.org/abs/1706.02677); Adam's steps do not grow
    with the gradient, so its rate stays.
    """
    train_config = draft.message.train_config
    old = train_config.batch_size
    if size == old:
        return
    train_config.batch_size = size
    draft.give_reason(reason, "train_config.batch_size")
    optimizer = train_config.optimizer.WhichOneof("optimizer")
    if optimizer == "adam_optimizer":
        draft.notes.append(f"Adam's learning rate stays the same for batches of {size} instead of {old}")
    elif optimizer is not None and old > 0:
        scale_rates(draft, size / old, f"scaled linearly with the batch, {old} → {size}")


def list_rates(rate: LearningRate) -> list[float]:
    """All rates that a schedule names."""
    rates = [float(getattr(rate.schedule, field)) for field in _RATES.get(rate.kind, ())]
    if rate.kind == "manual_step_learning_rate":
        rates += [float(entry.learning_rate) for entry in rate.schedule.schedule]
    return rates


def scale_rates(draft: ConfigDraft, ratio: float, reason: str) -> None:
    """Multiplies every rate of the schedule, so that its shape stays."""
    rate = find_learning_rate(draft.config)
    if rate is None:
        return
    for field in _RATES.get(rate.kind, ()):
        # A rate of 0 is a choice (burn-in off, no minimum), and proto defaults count as what the API would use.
        if value := getattr(rate.schedule, field):
            setattr(rate.schedule, field, round_rate(value * ratio))
            draft.give_reason(reason, f"{rate.path}.{field}")
    if rate.kind == "manual_step_learning_rate":
        for index, entry in enumerate(rate.schedule.schedule):
            entry.learning_rate = round_rate(entry.learning_rate * ratio)
            draft.give_reason(reason, f"{rate.path}.schedule[{index}].learning_rate")


def set_steps(draft: ConfigDraft, steps: int, reason: str) -> None:
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
    draft.give_reason(reason, "train_config.num_steps")
    if (rate := find_learning_rate(draft.config)) is None:
        return
    follows = f"follows num_steps, {old} → {steps}"
    if rate.kind == "manual_step_learning_rate":
        _stretch_boundaries(rate.schedule.schedule, old, steps)
        draft.give_reason(follows, f"{rate.path}.schedule")
        return
    for field in _STEPS.get(rate.kind, ()):
        if value := getattr(rate.schedule, field):
            setattr(rate.schedule, field, _stretch(field, value, old, steps))
            draft.give_reason(follows, f"{rate.path}.{field}")


def _stretch(field: str, value: int, old: int, steps: int) -> int:
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


def compute_steps(epochs: float, images: int, batch_size: int) -> int:
    """Steps that show every training image `epochs` times."""
    return max(1, math.ceil(epochs * images / batch_size))


def round_rate(value: float) -> float:
    """Six digits: what a float32 holds, and no more to read."""
    return float(f"{value:.6g}")
