"""How long training steps wait for their batches: the clock is read in the step's own graph, around its iterator."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

SPAN = "input_wait"
"""What a step's two readings of the clock stand under, beside its losses."""
_LEAST = 0.002
"""Seconds. Handing over a batch that lies ready takes less."""


def take_batch(batches: Any) -> tuple[Any, tuple[Any, Any]]:
    """The next batch, and Unix times of asking for it and of having it. Called within a step's graph.

    The clock is the processor's, so that reading both never waits for a GPU.
    """
    asked = tf.timestamp()
    with tf.control_dependencies([asked]):
        batch = next(batches)
    with tf.control_dependencies(tf.nest.flatten(batch, expand_composites=True)):
        return batch, (asked, tf.timestamp())


class InputWait:
    """The waiting of several steps."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def add(self, span: tuple[Any, Any]) -> bool:
        """Counts a step's waiting; gives whether its batch did not lie ready.

        A GPU may still have work when the next batch is asked for. Whoever then lets it finish first loses nothing,
        as the batch is what is late, and what is counted as waiting is the time in which nothing else went on.
        """
        asked, had = (float(time) for time in span)
        waited = max(had - asked, 0.0)  # the system's clock may be set back
        self._seconds += waited
        return waited > _LEAST

    def take(self) -> float:
        """Seconds since this was called last."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds
