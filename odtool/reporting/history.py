"""How a run went, from its metrics.jsonl: curves of losses, learning rate and evaluations, speed and mishaps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from odtool import metrics
from odtool.jobs import training_progress
from odtool.metrics import Metric
from odtool.visual.charts import Curve

TOTAL = "total"
_MOST_POINTS = 400
"""Of a curve; more than a plot has room for."""
_PAUSE = 900.0
"""Seconds between two lines of metrics beyond which nothing was running."""
_NOT_A_CURVE = {"images", "seconds", "sample_1_of_n"}


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of a checkpoint."""

    step: int
    checkpoint: str
    values: Mapping[str, float]
    """Under the API's names; without those of sets that hold nothing to find."""
    images: int
    seconds: float
    sample: int
    """1 of this many images was used."""


@dataclass(frozen=True)
class Mishap:
    """Something that training was interrupted or spoilt by."""

    step: int
    what: str


@dataclass(frozen=True)
class History:
    """The whole course of a run."""

    losses: Mapping[str, Curve]
    """Training's, the total first."""
    evaluation_losses: Mapping[str, Curve]
    learning_rate: Curve
    evaluations: tuple[Evaluation, ...]
    """By step; of a step evaluated several times the last."""
    best: Mapping[str, Any] | None
    """metric, value, checkpoint and step of the best evaluation."""
    step: int | None
    num_steps: int | None
    batch_size: int | None
    steps_per_second: float | None
    """Median over the run."""
    training_seconds: float
    """Without pauses between starts."""
    restarts: int
    mishaps: tuple[Mishap, ...]

    def curve(self, name: str) -> Curve:
        """A metric by checkpoint."""
        return tuple((item.step, item.values[name]) for item in self.evaluations if name in item.values)


def read(path: Path) -> History:
    """Reads a run's metrics.jsonl; an absent one is that of a run not yet started."""
    entries = metrics.read(path)
    current = metrics.current_course(entries)
    train = [entry for entry in current if entry.kind == "train"]
    evaluations = _collect_evaluations(current)
    best = next((entry for entry in reversed(current) if entry.kind == "best"), None)
    progress = training_progress.read(path)
    speeds = [speed for entry in train if (speed := entry.values.get("steps_per_second"))]
    return History(
        losses=_collect_losses(train, {"loss": TOTAL}),
        evaluation_losses=_collect_losses(
            [entry for entry in current if entry.kind == "eval"], {"Loss/total_loss": TOTAL}
        ),
        learning_rate=_thin([(entry.step, entry.values.get("learning_rate")) for entry in train]),
        evaluations=evaluations,
        best={"step": best.step, **best.values} if best else None,
        step=progress.step,
        num_steps=progress.num_steps,
        batch_size=progress.batch_size,
        steps_per_second=median(speeds) if speeds else None,
        training_seconds=_sum_seconds(entries),
        restarts=progress.restarts,
        mishaps=tuple(_find_mishaps(entries)),
    )


def _collect_losses(entries: Sequence[Metric], total: Mapping[str, str]) -> dict[str, Curve]:
    names = dict.fromkeys([*total, *(name for entry in entries for name in entry.values if name.startswith("Loss/"))])
    curves = {
        total.get(name, _shorten(name)): _thin(
            [(entry.step, entry.values[name]) for entry in entries if name in entry.values]
        )
        for name in names
    }
    return {name: curve for name, curve in curves.items() if curve}


def _shorten(name: str) -> str:
    """'Loss/BoxClassifierLoss/classification_loss' as 'BoxClassifierLoss/classification'."""
    return re.sub(r"_loss$", "", name.removeprefix("Loss/")).replace("_", " ")


def _thin(points: Sequence[tuple[int, float | None]]) -> Curve:
    """At most some hundred points, the last among them; what is not finite stays."""
    points = sorted(dict(points).items())
    every = max(-(-len(points) // _MOST_POINTS), 1)
    last = len(points) - 1
    return tuple(point for index, point in enumerate(points) if index % every == 0 or index == last or point[1] is None)


def _collect_evaluations(entries: Iterable[Metric]) -> tuple[Evaluation, ...]:
    by_step = {entry.step: _read_evaluation(entry) for entry in entries if entry.kind == "eval"}
    return tuple(by_step[step] for step in sorted(by_step))


def _read_evaluation(entry: Metric) -> Evaluation:
    numbers = {
        name: float(value)
        for name, value in entry.values.items()
        if isinstance(value, (int, float)) and name not in _NOT_A_CURVE
    }
    return Evaluation(
        step=entry.step,
        checkpoint=str(entry.values.get("checkpoint", "")),
        values=numbers,
        images=int(entry.values.get("images") or 0),
        seconds=float(entry.values.get("seconds") or 0),
        sample=int(entry.values.get("sample_1_of_n") or 1),
    )


def _sum_seconds(entries: Sequence[Metric]) -> float:
    times = [entry.time for entry in entries if entry.kind in ("start", "train", "checkpoint", "end")]
    gaps = [after - before for before, after in pairwise(times)]
    return sum(gap for gap in gaps if 0 < gap < _PAUSE)


def _find_mishaps(entries: Iterable[Metric]) -> Iterable[Mishap]:
    for entry in entries:
        if entry.kind == "not_finite":
            records = entry.values.get("records") or []
            of = f"; its batch held {', '.join(map(str, records[:8]))}" if records else ""
            surplus = f" and {len(records) - 8} more" if len(records) > 8 else ""
            yield Mishap(entry.step, f"the loss was not finite{of}{surplus}")
        elif entry.kind == "recover":
            yield Mishap(
                entry.step,
                f"batch size lowered to {entry.values.get('batch_size')}: {entry.values.get('reason')}",
            )
        elif entry.kind == "start" and entry.step > 0:
            yield Mishap(entry.step, "restarted from a checkpoint")
        elif entry.kind == "end" and entry.values.get("state") not in (None, "finished"):
            yield Mishap(entry.step, f"training {entry.values['state']}")
