"""Evaluation: scores checkpoints as training saves them, keeps the best, and ends when there are no more to come."""

from __future__ import annotations

import time
from pathlib import Path

import tensorflow as tf

from odtool import checkpoint_choice, locks, metrics
from odtool.engine import best_checkpoint, checkpoint_scores, checkpoints, model
from odtool.engine.evaluate.score_book import ScoreBook
from odtool.engine.evaluate.scoring import Scorer
from odtool.engine.outcome import Ending, FolderWatch, StopSignal
from odtool.workspace import Run

POLL = 0.5
"""Seconds between looks for a new checkpoint: a listing of one folder."""


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
                skipped += scorer.book.skip([waiting[step] for step in sorted(waiting)[:-1]])
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
        configs = read_evaluation_configs(run, batch_size)
        self._stop = stop
        detector = model.build_model(configs["model"])
        self._scorers = [
            Scorer(configs, reader, detector, sample=sample, batch_limit=batch_size)
            for reader in configs["eval_input_configs"]
        ]
        self.book = ScoreBook(run, sample, best, [scorer.metrics.name for scorer in self._scorers])
        self._restorable = model.build_restorable(configs, detector, self._scorers[0].element)

    def score(self, prefix: Path) -> None:
        """Scores one checkpoint over every evaluation set.

        Raises:
            Stopped: a stop was asked for in the middle; nothing is written.
        """
        step = self._restorable.restore(prefix)
        self.book.write(prefix, step, [scorer.score(self._stop) for scorer in self._scorers])


def read_evaluation_configs(run: Run, batch_size: int | None) -> model.Configs:
    """The run's config for evaluation, where a batch size that was asked for counts more than its own.

    Raises:
        ConfigError: it names no evaluation set.
    """
    configs = model.read_configs(run.pipeline_config)
    if batch_size is not None:
        configs["eval_config"].batch_size = 1  # what was asked for counts, and not the config's own
    model.require_evaluation_set(configs, run)
    return configs
