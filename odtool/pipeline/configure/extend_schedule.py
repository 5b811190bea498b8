"""A learning rate's schedule made longer in the middle of training: what is done stays, the rest takes longer."""

from __future__ import annotations

import math
from typing import Any

from odtool.pipeline.checks.training_length import MOST_STEPS
from odtool.pipeline.configure.batch_and_steps import round_rate
from odtool.pipeline.text.draft import ConfigDraft
from odtool.pipeline.text.facts import find_learning_rate


def extend_schedule(draft: ConfigDraft, *, done: int, ratio: float, reason: str) -> None:
    """Makes the rest of the schedule `ratio` times as long, and lets the rate continue from where it is.

    A cosine can only be stretched as a whole, so its base is set such that it passes through the current rate.

    Args:
        done: steps done.
    """
    rate = find_learning_rate(draft.config)
    if rate is None or rate.kind not in _CHANGES:
        return
    for field in _CHANGES[rate.kind](rate.schedule, _Extension(done, ratio)):
        draft.give_reason(reason, f"{rate.path}.{field}")


class _Extension:
    """Moves the steps that are still to come."""

    def __init__(self, done: int, ratio: float) -> None:
        self.done = done
        self.ratio = ratio

    def move(self, step: int) -> int:
        if step <= self.done:
            return step
        return min(self.done + round((step - self.done) * self.ratio), MOST_STEPS)


def _extend_cosine(schedule: Any, extension: _Extension) -> tuple[str, ...]:
    """learning_schedules.cosine_decay_with_warmup: a line up to warmup_steps, the base while held, half a cosine."""
    done, base = extension.done, schedule.learning_rate_base
    warm, total = schedule.warmup_steps, schedule.total_steps
    held = warm + schedule.hold_base_rate_steps
    schedule.warmup_steps = extension.move(warm)
    schedule.hold_base_rate_steps = extension.move(held) - extension.move(warm)
    schedule.total_steps = extension.move(total)
    if done < warm:
        now = schedule.warmup_learning_rate + (base - schedule.warmup_learning_rate) * done / warm
        slope = (base - now) / (extension.move(warm) - done)
        schedule.warmup_learning_rate = max(round_rate(now - slope * done), 0.0)
    elif held < done < total:
        now = base * _half_cosine((done - held) / (total - held))
        schedule.learning_rate_base = round_rate(now / _half_cosine((done - held) / (extension.move(total) - held)))
        # The warm-up is over, and the API refuses one that starts above the base.
        schedule.warmup_learning_rate = min(schedule.warmup_learning_rate, schedule.learning_rate_base)
    return "learning_rate_base", "total_steps", "warmup_learning_rate", "warmup_steps", "hold_base_rate_steps"


def _half_cosine(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))


def _extend_exponential(schedule: Any, extension: _Extension) -> tuple[str, ...]:
    """learning_schedules.exponential_decay_with_burnin: the decay counts from the end of the burn-in."""
    old, new = schedule.decay_steps, min(max(round(schedule.decay_steps * extension.ratio), 1), MOST_STEPS)
    since = extension.done - schedule.burnin_steps
    if since > 0:
        count_decays = math.floor if schedule.staircase else float
        schedule.initial_learning_rate = round_rate(
            schedule.initial_learning_rate
            * schedule.decay_factor ** (count_decays(since / old) - count_decays(since / new))
        )
    schedule.burnin_steps = extension.move(schedule.burnin_steps)
    schedule.decay_steps = new
    return "initial_learning_rate", "decay_steps", "burnin_steps"


def _extend_manual(schedule: Any, extension: _Extension) -> tuple[str, ...]:
    for entry in schedule.schedule:
        entry.step = extension.move(entry.step)
    return ("schedule",)


_CHANGES = {
    "cosine_decay_learning_rate": _extend_cosine,
    "exponential_decay_learning_rate": _extend_exponential,
    "manual_step_learning_rate": _extend_manual,
}
