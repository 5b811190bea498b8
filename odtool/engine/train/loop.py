"""The steps of a training, one after the other, with what is reported, saved and looked at on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from object_detection import model_lib_v2
from object_detection.core.standard_fields import InputDataFields
from object_detection.inputs import HASH_KEY

from odtool.engine import checkpoints, model
from odtool.engine.input import waiting
from odtool.engine.input.waiting import InputWait
from odtool.engine.outcome import Ending, StopSignal
from odtool.engine.tracing import TracedFunction
from odtool.engine.train import training_step
from odtool.engine.train.checkpoint_writer import CheckpointWriter
from odtool.engine.train.distribution import AGREE_EVERY, Team
from odtool.engine.train.limits import Watch
from odtool.engine.train.non_finite_loss import BATCH, RecentSteps
from odtool.engine.train.step_reports import TOTAL_LOSS, StepReporter
from odtool.errors import OdtoolError
from odtool.workspace import Run

REPORT_EVERY = 3.0
"""Seconds between reports. Fetching a loss waits for the device, so it is done by time and not at each step."""
PICTURES_EVERY = 1000
"""Steps between pictures of what the model is given, in TensorBoard; the first step shows them."""

Losses = dict[str, Any]


@dataclass(frozen=True)
class Schedule:
    """What one call of `train` has been asked for."""

    num_steps: int
    checkpoint_every: int
    keep_checkpoints: int
    precision: str
    cached: bool
    """Records are kept in memory."""


class Loop:
    """The steps from one start to the end, with what is reported and saved on the way."""

    def __init__(
        self,
        run: Run,
        configs: model.Configs,
        schedule: Schedule,
        trainable: model.Trainable,
        team: Team,
        stop: StopSignal,
        watch: Watch,
    ) -> None:
        self._run = run
        self._watch = watch
        self._recent = RecentSteps(configs["train_input_config"])
        self._wait = InputWait()
        self._schedule = schedule
        self._trainable = trainable
        self._team = team
        self._stop = stop
        self._batch = int(configs["train_config"].batch_size)
        self._progress = StepReporter(run, num_steps=schedule.num_steps, writes=team.is_chief)
        self._bad_step = tf.Variable(
            0,
            trainable=False,
            dtype=tf.int64,
            name="first_step_without_finite_loss",
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        self._do_step = TracedFunction(
            build_step_function(configs["train_config"], trainable, team.strategy, self._bad_step)
        )
        self._writer = CheckpointWriter(
            run,
            trainable.checkpoint,
            keep=schedule.keep_checkpoints,
            record=self._progress.record_checkpoint,
        )
        self._start = self._step = self._saved = 0

    def run_from(self, start: int, data: Any) -> Ending:
        """Takes steps until there are enough or a stop is asked for; saves the last one in either case."""
        self._start = self._step = self._saved = start
        schedule = self._schedule
        self._progress.begin(
            start,
            {
                "batch_size": self._batch,
                "keep_checkpoints": schedule.keep_checkpoints,
                "precision": schedule.precision,
                "cache": schedule.cached,
            },
        )
        state: str = "failed"
        try:
            ending = self._take_steps(data)
            self._writer.finish()
            self._team.wait_for_all()
            state = ending.state
        finally:
            self._writer.close()
            self._progress.end(self._step, state)
        return ending

    def _take_steps(self, data: Any) -> Ending:
        total = self._schedule.num_steps
        ending: Ending | None = None
        while self._step < total and not (ending := self._find_early_ending()):
            self._writer.look()
            with self._progress.writing_pictures():
                losses = self._do_step(data)
            self._step += 1
            late = self._wait.add(losses.pop(waiting.SPAN))
            self._recent.add(self._step, losses)
            if late:
                float(losses[TOTAL_LOSS])  # waits for the device, see InputWait
            first, last = self._step == self._start + 1, self._step == total
            if first or last or self._progress.since_report >= REPORT_EVERY:
                self._report(losses, first=first)
            if not last and self._step - self._saved >= self._schedule.checkpoint_every:
                # Where several devices hold the values, or several processes save, all have to take part in it.
                self._save(beside_steps=self._team.strategy.num_replicas_in_sync == 1 and self._team.cluster is None)
        if self._step > self._saved:
            self._save(beside_steps=False)
        if ending is not None:
            goes_on = "; the next start continues from there" if ending.state == "stopped" and self._saved else ""
            return Ending(ending.state, f"{ending.reason} after step {self._step} of {total}{goes_on}")
        return Ending("finished", f"trained {total} steps")

    def _find_early_ending(self) -> Ending | None:
        """How training is to end before its last step; None where it is to go on."""
        if self._team.cluster is not None and (self._step - self._start) % AGREE_EVERY:
            return None
        own = Ending("stopped", "stopped") if self._stop.requested else self._watch.look()
        if self._team.cluster is None:
            return own
        # Its loss is of all, so that all fail after the same step.
        self._check_finite()
        return self._team.agree(own)

    def _save(self, *, beside_steps: bool) -> None:
        self._check_finite()
        step = self._saved = self._step
        if not self._team.is_chief:
            checkpoints.write_as_worker(self._trainable.checkpoint)
        else:
            self._writer.save(step, beside_steps=beside_steps)

    def _check_finite(self) -> None:
        bad = int(self._bad_step.numpy())
        if not bad:
            self._recent.trim()
            return
        self._writer.close()
        evidence = self._recent.explain(bad)
        self._progress.record_fault(bad, evidence)
        newest = max(self._run.checkpoints(), default=None)
        last = f"the last checkpoint before it is ckpt-{newest}" if newest else "no checkpoint was saved before it"
        raise OdtoolError(
            f"the loss has not been finite since step {bad} ({last}); {evidence.format()}",
            "Look for broken boxes in these records (odtool inspect), and lower the learning rate "
            "(odtool configure --set …)",
        )

    def _report(self, losses: Losses, *, first: bool) -> None:
        if self._team.cluster is None:
            self._check_finite()
        rate = float(self._trainable.learning_rate())
        self._progress.report(self._step, losses, rate, self._wait.take(), first=first)


def build_step_function(
    settings: Any, trainable: model.Trainable, strategy: Any, bad_step: Any
) -> Callable[[Any], Losses]:
    """One training step over all replicas, as model_lib_v2.train_loop takes it, which also notes a bad loss.

    What it returns holds beside the losses, under BATCH, the hashes of the records' source ids, and under SPAN when
    the batch was asked for and there.
    """

    def on_replica(features: Any, labels: Any) -> Losses:
        with tf.summary.record_if(lambda: trainable.step % PICTURES_EVERY == 0):
            tf.summary.image("train_input_images", features[InputDataFields.image], step=trainable.step, max_outputs=3)
        losses = training_step.take_step(trainable, settings, features, labels, replicas=strategy.num_replicas_in_sync)
        trainable.step.assign_add(1)
        return losses

    def do_step(data: Any) -> Losses:
        (features, labels), span = waiting.take_batch(data)
        losses = strategy.run(on_replica, args=(features, labels))
        reduced = model_lib_v2.reduce_dict(strategy, losses, tf.distribute.ReduceOp.SUM)
        good = tf.math.is_finite(reduced[TOTAL_LOSS]) | (bad_step > 0)
        bad_step.assign(tf.where(good, bad_step, trainable.step))
        return {**reduced, BATCH: features[HASH_KEY], waiting.SPAN: span}

    return do_step
