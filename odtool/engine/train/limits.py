"""What ends training before its last step: a deadline, and evaluations that no longer improve."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from odtool import locks, metrics
from odtool.engine import checkpoint_scores
from odtool.engine.outcome import Ending, FolderWatch
from odtool.workspace import Run

LOOK_EVERY = 1.0
"""Seconds between looks at metrics.jsonl, through which evaluation tells training what it has found."""
_EVALUATION_GRACE = 60.0
"""Seconds. Evaluation is started after training."""

log = logging.getLogger("odtool.engine")


@dataclass(frozen=True)
class Limits:
    """What was asked for; None where nothing was."""

    patience: int | None = None
    """Evaluations without improvement."""
    deadline: float | None = None
    """Unix time. A time and not a duration, so that a restart after a failure does not extend it."""


class Watch:
    """Looks whether one of the limits of a run is reached."""

    def __init__(self, run: Run, limits: Limits, *, clock: Callable[[], float] = time.time) -> None:
        self._run = run
        self._limits = limits
        self._clock = clock
        self._folder = FolderWatch(run)
        self._looked = 0.0
        self._size = -1
        self._evaluated: float | None = None
        """When evaluation was last seen to live; at first, when it was first looked for."""
        self._warned = False

    def look(self) -> Ending | None:
        """How training is to end now; None where it is to go on. Cheap enough for every step.

        Raises:
            OdtoolError: the run's folder was moved or deleted.
        """
        now = self._clock()
        self._folder.check()
        if self._limits.deadline is not None and now >= self._limits.deadline:
            return Ending("stopped", "the time limit was reached")
        if self._limits.patience is None or now - self._looked < LOOK_EVERY:
            return None
        self._looked = now
        self._look_for_evaluation(now)
        return self._look_at_evaluations(self._limits.patience)

    def _look_for_evaluation(self, now: float) -> None:
        """Warns once, whenever it is so, that no evaluation runs: training then continues to its last step."""
        if self._evaluated is None or locks.is_held(self._run.job_lock("eval")):
            self._evaluated, self._warned = now, False
        elif not self._warned and now - self._evaluated > _EVALUATION_GRACE:
            self._warned = True
            log.warning(
                "evaluation is not running, so training cannot stop early; see %s, and start it again "
                "with: odtool eval %s",
                self._run.log("eval").name,
                self._run.name,
            )

    def _look_at_evaluations(self, patience: int) -> Ending | None:
        size = self._run.metrics.stat().st_size if self._run.metrics.exists() else 0
        if size == self._size:
            return None
        self._size = size
        entries = metrics.read_events(self._run.metrics)
        since = checkpoint_scores.count_since_best(entries)
        best = checkpoint_scores.find_best(entries)
        if best is None or since < patience:
            return None
        score = f"{best.values.get('metric')} {best.values.get('value'):.4g} of step {best.step}"
        times = "evaluation" if since == 1 else "evaluations"
        return Ending("finished", f"stopped early: {since} {times} without improvement on {score}")
