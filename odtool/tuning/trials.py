"""What is known of a study's trials, without Optuna: what each was given, what it scored, how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from odtool.tuning.parameters import Value

TrialStateName = Literal["running", "complete", "pruned", "failed"]


@dataclass(frozen=True)
class TrialView:
    """A trial."""

    number: int
    state: TrialStateName
    values: Mapping[str, Value]
    """By parameter; of the config itself where `is_base`."""
    scores: Mapping[int, float]
    """The metric by evaluation, from 1."""
    value: float | None
    """The best of them, once the trial has ended."""
    reason: str = ""
    """Why it failed or was pruned."""
    is_base: bool = False
    """It is the run's own config."""
    seconds: float | None = None
    """From its beginning to its end, what lay between two calls included; None while it runs."""

    def to_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "state": self.state,
            "value": self.value,
            "values": dict(self.values),
            "scores": {str(index): score for index, score in self.scores.items()},
            "reason": self.reason,
            "base": self.is_base,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class StudyView:
    """A study at one moment."""

    metric: str
    evaluations: int
    trials: Sequence[TrialView] = ()
    importance: Mapping[str, float] = field(default_factory=dict)
    """Shares that add up to 1, largest first; empty where too few trials are complete."""
    is_loss: bool = False

    @property
    def best(self) -> TrialView | None:
        """The complete trial with the best value, the earliest of several."""
        complete = [trial for trial in self.trials if trial.state == "complete" and trial.value is not None]
        sign = 1 if self.is_loss else -1
        return min(complete, key=lambda trial: (sign * (trial.value or 0), trial.number), default=None)

    @property
    def base(self) -> TrialView | None:
        """The trial of the run's own config, once it is complete."""
        return next((trial for trial in self.trials if trial.is_base and trial.state == "complete"), None)

    def count(self, state: TrialStateName) -> int:
        return sum(trial.state == state for trial in self.trials)


def choose_best(scores: Mapping[int, float], *, is_loss: bool) -> float | None:
    """The best of a trial's scores."""
    return (min if is_loss else max)(scores.values(), default=None)
