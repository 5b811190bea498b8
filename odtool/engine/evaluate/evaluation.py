"""Evaluation: scores checkpoints as training saves them, keeps the best, and ends when there are no more to come."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path
from typing import Any

import tensorflow as tf

from odtool import checkpoint_choice, locks, metrics
from odtool.detection.metric_names import MAP, MAP_50, resolve_name
from odtool.engine import best_checkpoint, checkpoint_scores, checkpoints, model
from odtool.engine.evaluate import best_metric
from odtool.engine.evaluate.scoring import Score, Scorer
from odtool.engine.outcome import Ending, FolderWatch, StopSignal
from odtool.workspace import Run

POLL = 0.5
"""Seconds between looks for a new checkpoint: a listing of one folder."""
log = logging.getLogger("odtool.engine")


def evaluate(
    run: Run,
    *,
    which: str,
    sample: int,
    stop: StopSignal,
    best: str | None = None,
    latest: bool = False,
    batch_size: int | None = None,
) -> Ending:
    """Scores checkpoints of a run.

    Args:
        which: "all" scores every checkpoint not yet scored, and those still to come while training lives; "latest",
            "best" or a checkpoint's path or name score that one, scored before or not.
        sample: 1 of this many images is used.
        best: the metric by which the best is chosen, by its own or a short name; by default mAP, where there is one.
        latest: of several checkpoints that wait, only the newest is scored.
        batch_size: images predicted together, at most; by default what the config says, or as many as pay.

    Raises:
        OdtoolError: there is nothing to score, or config, records or a checkpoint cannot be used.
    """
    best_checkpoint.recover(run)
    prefix = None if which == "all" else checkpoint_choice.find(run, which)
    if prefix is None and not locks.is_held(run.job_lock("train")):
        checkpoint_choice.refuse_without(run)
        if not _find_unscored(run, sample, latest=latest):
            return Ending("finished", "every checkpoint has been scored already")
    scorer = _CheckpointScorer(run, sample, stop, best, batch_size)
    stop.defer()
    if prefix is not None:
        scorer.score(prefix)
        return Ending("finished", f"scored {prefix}")
    return _score_until_trained(run, scorer, stop, sample=sample, latest=latest)


def _find_unscored(run: Run, sample: int, *, latest: bool) -> dict[int, Path]:
    entries = metrics.read_events(run.metrics)
    names = checkpoint_scores.find_scored(entries, sample=sample)
    if latest:
        names |= checkpoint_scores.find_skipped(entries)
    present = {step: prefix for step, prefix in run.checkpoints().items() if prefix.name not in names}
    return {step: prefix for step, prefix in present.items() if _is_trained(prefix)}


def _is_trained(prefix: Path) -> bool:
    """Not for one that is gone since, nor for the stock loop's first, saved before the model has any variables."""
    try:
        return checkpoints.read_steps_done(prefix) > 0
    except tf.errors.NotFoundError:
        return False


def _score_until_trained(run: Run, scorer: _CheckpointScorer, stop: StopSignal, *, sample: int, latest: bool) -> Ending:
    """Scores in the order of steps until training has ended and nothing is left."""
    scored = skipped = 0
    folder = FolderWatch(run)
    while not stop.requested:
        folder.check()
        # Asked before the folder is listed: what training saves last is there when its lock is gone.
        training = locks.is_held(run.job_lock("train"))
        waiting = _find_unscored(run, sample, latest=latest)
        if waiting:
            if latest:
                skipped += scorer.skip([waiting[step] for step in sorted(waiting)[:-1]])
            scorer.score(waiting[max(waiting) if latest else min(waiting)])
            scored += 1
        elif not training:
            _prune_after_training(run)
            summary = f"scored {scored} checkpoint{'' if scored == 1 else 's'}" + (
                f", skipped {skipped}" if skipped else ""
            )
            return Ending("finished", f"{summary}; training has ended")
        else:
            time.sleep(POLL)
    return Ending("stopped", f"stopped after {scored} checkpoints; the next start continues from there")


def _prune_after_training(run: Run) -> None:
    """Training leaves to evaluation those checkpoints that were still to be scored."""
    keep = checkpoint_scores.find_keep_count(metrics.read_events(run.metrics))
    if keep is not None:
        checkpoints.prune(run, keep)


class _CheckpointScorer:
    """The model and its evaluation sets, built once; writes down what each checkpoint scores."""

    def __init__(self, run: Run, sample: int, stop: StopSignal, best: str | None, batch_size: int | None) -> None:
        configs = model.read_configs(run.pipeline_config)
        if batch_size is not None:
            configs["eval_config"].batch_size = 1  # what was asked for counts, and not the config's own
        model.require_evaluation_set(configs, run)
        self._run = run
        self._stop = stop
        self._sample = sample
        self._demanded = best is not None
        self._metric = resolve_name(best) if best is not None else MAP
        self._metrics = metrics.MetricsLog(run.metrics)
        detector = model.build_model(configs["model"])
        self._scorers = [
            Scorer(configs, reader, detector, sample=sample, batch_limit=batch_size)
            for reader in configs["eval_input_configs"]
        ]
        self._events = [tf.summary.create_file_writer(str(run.events("eval") / name)) for name in self._name_sets()]
        self._restorable = model.build_restorable(configs, detector, self._scorers[0].element)

    def _name_sets(self) -> list[str]:
        """One for each evaluation set: the stock loop's folders, numbered where sets have no names of their own."""
        names = [scorer.name for scorer in self._scorers]
        return [name or (str(index) if index else "") for index, name in enumerate(names)]

    def score(self, prefix: Path) -> None:
        """Scores one checkpoint over every evaluation set.

        Raises:
            Stopped: a stop was asked for in the middle; nothing is written.
        """
        step = self._restorable.restore(prefix)
        scores = [scorer.score(self._stop) for scorer in self._scorers]
        figures: dict[str, float] = {}
        for name, score, events in zip(self._name_sets(), scores, self._events, strict=True):
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
