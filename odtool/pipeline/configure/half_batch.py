"""A config that needs less memory: half the batch, the learning rate scaled with it, and more steps."""

from __future__ import annotations

import math

from odtool.errors import ConfigError
from odtool.pipeline.checks.training_length import refuse_uncountable
from odtool.pipeline.configure import batch_and_steps
from odtool.pipeline.configure.extend_schedule import extend_schedule
from odtool.pipeline.text.draft import ConfigDraft


def halve_batch(draft: ConfigDraft, *, steps_done: int, devices: int, reason: str) -> None:
    """Halves the batch, scales the learning rate with it, and trains on for as many images as were left.

    The rest of the learning rate's schedule is stretched in the same proportion.

    Args:
        steps_done: steps of the checkpoint that training continues from.
        devices: how many share a batch, which stays a multiple of that.

    Raises:
        ConfigError: the batch cannot be smaller, or the steps would be more than the API can count.
    """
    train_config = draft.message.train_config
    old, steps = train_config.batch_size, train_config.num_steps
    new = old // 2 // devices * devices
    if new < 1:
        share = "1 image" if old == devices else f"{old // max(devices, 1)} images"
        raise ConfigError(
            f"ran out of memory with a batch of {old}, {share} on each device: it cannot be halved",
            "Use smaller images or a smaller model, or close other programs that use memory.",
        )
    longer = steps_done + math.ceil(max(steps - steps_done, 0) * old / new)
    refuse_uncountable(longer)
    batch_and_steps.set_batch_size(draft, new, reason)
    train_config.num_steps = longer
    draft.give_reason(f"as many images as before, {reason}", "train_config.num_steps")
    follows = f"follows num_steps, {steps} → {train_config.num_steps}, from step {steps_done}"
    extend_schedule(draft, done=steps_done, ratio=old / new, reason=follows)
