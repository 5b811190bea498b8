"""What ends training before its last step: a deadline, and evaluations that no longer improve."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from odtool.engine import metrics
from odtool.engine.ending import Ending
from odtool.workspace import Run

LOOK_EVERY = 1.0
"""Seconds between looks at metrics.jsonl, through which evaluation tells training what it has found."""


@dataclass(frozen=True)
class Limits:
    """What was asked for; None where nothing was."""

    patience: int | None = None
    """Evaluations without improvement."""
    deadline: float | None = None
    """Unix time. A moment and no duration, so that a restart after a failure does not begin it anew."""


class Watch:
    """Looks whether one of the limits of a run is reached."""

    def __init__(self, run: Run, limits: Limits, *, clock: Callable[[], float] = time.time) -> None:
        self._run = run
        self._limits = limits
        self._clock = clock
        self._looked = 0.0
        self._size = -1

    def look(self) -> Ending | None:
        """How training is to end now; None where it is to go on. Cheap enough for every step."""
        now = self._clock()
        if self._limits.deadline is not None and now >= self._limits.deadline:
            return Ending("stopped", "the time limit is reached")
        if self._limits.patience is None or now - self._looked < LOOK_EVERY:
            return None
        self._looked = now
        return self._look_at_evaluations(self._limits.patience)

    def _look_at_evaluations(self, patience: int) -> Ending | None:
        size = self._run.metrics.stat().st_size if self._run.metrics.exists() else 0
        if size == self._size:
            return None
        self._size = size
        entries = metrics.read(self._run.metrics)
        since = metrics.evaluations_since_best(entries)
        best = metrics.best(entries)
        if best is None or since < patience:
            return None
        what = f"{best.values.get('metric')} {best.values.get('value'):.4g} of step {best.step}"
        times = "evaluation" if since == 1 else "evaluations"
        return Ending("finished", f"ended early: {since} {times} without improvement on {what}")
