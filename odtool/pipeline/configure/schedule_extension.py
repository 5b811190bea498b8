"""A learning rate's schedule made longer in the middle of training: what is done stays, what is left takes longer."""

from __future__ import annotations

import math
from typing import Any

from odtool.pipeline.configure import batch_and_steps
from odtool.pipeline.text import config
from odtool.pipeline.text.diff import Draft


def prolong(draft: Draft, *, done: int, ratio: float, reason: str) -> None:
    """Makes what is left of the schedule `ratio` times as long, and lets the rate go on from where it is.

    A cosine can only be stretched as a whole, so its base is set such that it passes through the rate of now.

    Args:
        done: steps done.
    """
    optimizer = config.optimizer(draft.config)
    name = optimizer.learning_rate.WhichOneof("learning_rate") if optimizer is not None else None
    change = _CHANGES.get(name or "")
    if optimizer is None or change is None:
        return
    kind = draft.message.train_config.optimizer.WhichOneof("optimizer")
    for field in change(getattr(optimizer.learning_rate, str(name)), _Later(done, ratio)):
        draft.because(reason, f"train_config.optimizer.{kind}.learning_rate.{name}.{field}")


class _Later:
    """Moves a step that is still to come."""

    def __init__(self, done: int, ratio: float) -> None:
        self.done = done
        self.ratio = ratio

    def __call__(self, step: int) -> int:
        if step <= self.done:
            return step
        return min(self.done + round((step - self.done) * self.ratio), batch_and_steps.MOST_STEPS)


def _cosine(schedule: Any, later: _Later) -> tuple[str, ...]:
    """learning_schedules.cosine_decay_with_warmup: a line up to warmup_steps, the base while held, half a cosine."""
    done, base = later.done, schedule.learning_rate_base
    warm, total = schedule.warmup_steps, schedule.total_steps
    held = warm + schedule.hold_base_rate_steps
    schedule.warmup_steps = later(warm)
    schedule.hold_base_rate_steps = later(held) - later(warm)
    schedule.total_steps = later(total)
    if done < warm:
        now = schedule.warmup_learning_rate + (base - schedule.warmup_learning_rate) * done / warm
        slope = (base - now) / (later(warm) - done)
        schedule.warmup_learning_rate = max(_rounded(now - slope * done), 0.0)
    elif held < done < total:
        now = base * _half_cosine((done - held) / (total - held))
        schedule.learning_rate_base = _rounded(now / _half_cosine((done - held) / (later(total) - held)))
        # The warm-up is over, and the API refuses one that starts above the base.
        schedule.warmup_learning_rate = min(schedule.warmup_learning_rate, schedule.learning_rate_base)
    return "learning_rate_base", "total_steps", "warmup_learning_rate", "warmup_steps", "hold_base_rate_steps"


def _half_cosine(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))


def _exponential(schedule: Any, later: _Later) -> tuple[str, ...]:
    """learning_schedules.exponential_decay_with_burnin: the decay counts from the end of the burn-in."""
    old, new = schedule.decay_steps, min(max(round(schedule.decay_steps * later.ratio), 1), batch_and_steps.MOST_STEPS)
    since = later.done - schedule.burnin_steps
    if since > 0:
        whole = math.floor if schedule.staircase else float
        schedule.initial_learning_rate = _rounded(
            schedule.initial_learning_rate * schedule.decay_factor ** (whole(since / old) - whole(since / new))
        )
    schedule.burnin_steps = later(schedule.burnin_steps)
    schedule.decay_steps = new
    return "initial_learning_rate", "decay_steps", "burnin_steps"


def _manual(schedule: Any, later: _Later) -> tuple[str, ...]:
    for entry in schedule.schedule:
        entry.step = later(entry.step)
    return ("schedule",)


_CHANGES = {
    "cosine_decay_learning_rate": _cosine,
    "exponential_decay_learning_rate": _exponential,
    "manual_step_learning_rate": _manual,
}


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
