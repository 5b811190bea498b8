"""What is written of a checkpoint's scores: event files, a line in metrics.jsonl, and whether it is the best so far."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from odtool import metrics
from odtool.detection.metric_names import MAP, MAP_50, resolve_name
from odtool.engine import best_checkpoint, checkpoint_scores
from odtool.engine.evaluate import best_metric
from odtool.engine.evaluate.set_metrics import Score
from odtool.workspace import Run

log = logging.getLogger("odtool.engine")


class ScoreBook:
    """The run's records of evaluations."""

    def __init__(self, run: Run, sample: int, best: str | None, sets: Sequence[str]) -> None:
        """
        Args:
            sample: 1 of this many images is used.
            best: the metric by which the best is chosen; by default mAP, where there is one.
            sets: names of the evaluation sets, empty where one has none.
        """
        self._run = run
        self._sample = sample
        self._demanded = best is not None
        self._metric = resolve_name(best) if best is not None else MAP
        self._metrics = metrics.MetricsLog(run.metrics)
        # The stock loop's folders, numbered where sets have no names of their own.
        self._names = [name or (str(index) if index else "") for index, name in enumerate(sets)]
        self._events = [tf.summary.create_file_writer(str(run.events("eval") / name)) for name in self._names]

    def write(self, prefix: Path, step: int, scores: Sequence[Score]) -> None:
        """Writes the scores of one checkpoint, one for each evaluation set."""
        figures: dict[str, float] = {}
        for name, score, events in zip(self._names, scores, self._events, strict=True):
            _write_events(events, step, score)
            inside = f"{name}/" if name and len(scores) > 1 and score is not scores[0] else ""
            figures.update({f"{inside}{key}": value for key, value in {**score.metrics, **score.by_class}.items()})
            log.info("%s%s: %s", prefix.name, f" on {name}" if name else "", _summarise(score))
        own = prefix.parent in (self._run.path, self._run.best)
        best = self._judge_best(step, prefix, figures) if own else None
        values = {
            **figures,
            "images": sum(score.images for score in scores),
            "seconds": sum(score.seconds for score in scores),
            "sample_1_of_n": self._sample,
            "checkpoint": prefix.name if own else str(prefix),
        }
        # Together: training counts the evaluations since the best, and must not see one before it is judged.
        self._metrics.write_together([("eval", step, values), *([("best", step, best)] if best else [])])

    def skip(self, prefixes: list[Path]) -> int:
        """Notes checkpoints that are passed over for a newer one; gives their number."""
        for prefix in prefixes:
            log.info("%s is skipped: a newer one is waiting", prefix.name)
            self._metrics.write("skip", int(prefix.name.removeprefix("ckpt-")), {"checkpoint": prefix.name})
        return len(prefixes)

    def _judge_best(self, step: int, prefix: Path, figures: dict[str, float]) -> dict[str, Any] | None:
        """Keeps a checkpoint in best/ where it is better; what metrics.jsonl is to say of it, or None."""
        if self._metric not in figures and not self._demanded:
            return None
        value = best_metric.get_value(self._metric, figures)
        if value is None or not self._is_better(step, value):
            return None
        name = f"{self._run.best.name}/{prefix.name}"
        line = {"metric": self._metric, "value": value, "checkpoint": name, "sample_1_of_n": self._sample}
        if best_checkpoint.keep(self._run, prefix, step, {**line, "metrics": figures}) is None:
            log.warning("%s was the best so far, and is deleted already", prefix.name)
            return None
        log.info("best so far: %s (%s %.4g)", name, self._metric, value)
        return line

    def _is_better(self, step: int, value: float) -> bool:
        """Whether it beats the best; a score over fewer images never displaces one over more, nor the reverse."""
        entries = metrics.read_events(self._run.metrics)
        line = best_checkpoint.find_standing(self._run, entries)
        if line is None:
            return True
        sample = line.number("sample_1_of_n")
        if sample != self._sample:
            return sample is None or self._sample < sample
        same = line.values.get("metric") == self._metric
        before = line.number("value") if same else line.number(self._metric)
        if before is None:
            before = checkpoint_scores.find_score(entries, line.step, self._metric)
        if line.step == step:
            return not same or value != before
        return before is None or best_metric.is_better(self._metric, value, before)


def _write_events(events: Any, step: int, score: Score) -> None:
    """With the stock loop's tags."""
    with events.as_default(step=step):
        for name, value in score.metrics.items():
            tf.summary.scalar(name, value)
        for name, picture in score.pictures.items():
            tf.summary.image(name, picture, max_outputs=1)
    events.flush()


def _summarise(score: Score) -> str:
    parts = [
        f"{label} {score.metrics[name]:.3f}"
        for label, name in (("mAP@[.5:.95]", MAP), ("mAP@.5", MAP_50))
        if name in score.metrics
    ]
    if not parts:
        parts = [f"{re.sub(r'.*/', '', name)} {value:.3f}" for name, value in list(score.metrics.items())[:3]]
    return ", ".join([*parts, f"{score.images} images, {_format_pace(score.images, score.seconds)}"])


def _format_pace(images: int, seconds: float) -> str:
    """Models with hundreds of proposals take many seconds for an image on a CPU, which is 0.0 images a second."""
    rate = images / max(seconds, 1e-9)
    return f"{rate:.1f} images/s" if rate >= 1 else f"{1 / rate:.1f} s per image"
