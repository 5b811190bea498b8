"""A config for half the memory: half the batch, the learning rate with it, and as many images still to be seen."""

from __future__ import annotations

import math

from odtool.errors import ConfigError
from odtool.pipeline.configure import batch_and_steps
from odtool.pipeline.configure.schedule_extension import prolong
from odtool.pipeline.text.diff import Draft


def halve_batch(draft: Draft, *, steps_done: int, devices: int, reason: str) -> None:
    """Halves the batch, scales the learning rate with it, and lengthens what is left of training in turn.

    What is left of the learning rate's schedule takes as much longer, from where it is.

    Args:
        steps_done: steps of the checkpoint that training goes on from.
        devices: that share a batch, which stays a multiple of it.

    Raises:
        ConfigError: the batch cannot be smaller, or the steps would be more than the API can count.
    """
    train_config = draft.message.train_config
    old, steps = train_config.batch_size, train_config.num_steps
    new = old // 2 // devices * devices
    if new < 1:
        each = "1 image" if old == devices else f"{old // max(devices, 1)} images"
        raise ConfigError(
            f"out of memory with a batch of {old}, {each} on each device: it cannot be halved",
            "Use smaller images or a smaller model, or close what else takes memory.",
        )
    longer = steps_done + math.ceil(max(steps - steps_done, 0) * old / new)
    batch_and_steps.refuse_uncountable(longer)
    batch_and_steps.set_batch_size(draft, new, reason)
    train_config.num_steps = longer
    draft.because(f"as many images as before, {reason}", "train_config.num_steps")
    why = f"follows num_steps, {steps} → {train_config.num_steps}, from step {steps_done}"
    prolong(draft, done=steps_done, ratio=old / new, reason=why)
