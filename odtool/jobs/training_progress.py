"""How far the training of a run has come, by the newest lines of its metrics.jsonl."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from statistics import fmean
from typing import Any

from odtool import metrics

_REPORTS = 5
"""Latest reports that the share of waiting is an average of: a single one depends on what its few batches held."""


@dataclass(frozen=True)
class TrainingProgress:
    """Where training stands; None for what its metrics do not say yet."""

    step: int | None = None
    num_steps: int | None = None
    batch_size: int | None = None
    loss: float | None = None
    learning_rate: float | None = None
    steps_per_second: float | None = None
    restarts: int = 0
    """Starts that resumed from a checkpoint, or that followed running out of memory."""
    input_wait: float | None = None
    """Share of time in which training waited for a batch, by the latest reports."""
    cache: bool = False
    """Records are kept in memory."""

    @property
    def eta_seconds(self) -> float | None:
        """Seconds of work left at the latest speed."""
        if self.step is None or self.num_steps is None or not self.steps_per_second:
            return None
        return max(0, self.num_steps - self.step) / self.steps_per_second


def read(path: Path, *, since: float = 0.0) -> TrainingProgress:
    """Reads a metrics.jsonl from its end. Loss and speed are those of the present start only.

    Args:
        since: Unix time of a job's start: what was written before is of an earlier one, whose step says nothing of
            where this one resumes.
    """
    starts = [entry for entry in metrics.read_events(path) if entry.kind == "start" and entry.time >= since]
    start = starts[-1].values if starts else {}
    steps: list[int] = []
    is_step_known = False
    reports: list[dict[str, Any]] = []
    for metric in takewhile(lambda metric: metric.time >= since, metrics.read_backwards(path)):
        if metric.kind in ("start", "train", "checkpoint") and not is_step_known:
            steps.append(metric.step)
            # A checkpoint is written beside the steps that follow it, so that its line may come after theirs.
            is_step_known = metric.kind != "checkpoint"
        if metric.kind == "train":
            reports.append(metric.values)
        if metric.kind == "start" or len(reports) == _REPORTS:
            break
    train = reports[0] if reports else {}
    return TrainingProgress(
        step=max(steps, default=None),
        num_steps=_to_whole(start.get("num_steps")),
        batch_size=_to_whole(start.get("batch_size")),
        loss=_to_number(train.get("loss")),
        learning_rate=_to_number(train.get("learning_rate")),
        steps_per_second=_to_number(train.get("steps_per_second")),
        restarts=_count_restarts(path),
        input_wait=_average(report.get("input_wait") for report in reports),
        cache=start.get("cache") is True,
    )


def _average(values: Iterable[object]) -> float | None:
    numbers = [value for value in values if isinstance(value, (int, float))]
    return fmean(numbers) if numbers else None


def _to_number(value: object) -> float | None:
    return value if isinstance(value, (int, float)) else None


def _to_whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _count_restarts(path: Path) -> int:
    entries = [entry for entry in metrics.read_events(path) if entry.kind in ("start", "recover")]
    follows_recovery = [False, *(entry.kind == "recover" for entry in entries)]
    return sum(
        entry.kind == "start" and (entry.step > 0 or recovered)
        for entry, recovered in zip(entries, follows_recovery, strict=False)
    )
