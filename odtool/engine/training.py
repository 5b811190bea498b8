"""Training: our loop around the API's model and its own training step."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from object_detection import model_lib_v2
from object_detection.core.standard_fields import InputDataFields
from object_detection.inputs import HASH_KEY

from odtool.engine import checkpoints, distribution, inputs, model
from odtool.engine.cache import RecordCache
from odtool.engine.ending import Ending, StopRequest
from odtool.engine.events import mark_restart
from odtool.engine.faults import BATCH, Recent
from odtool.engine.limits import Limits, Watch
from odtool.engine.metrics import MetricsLog
from odtool.engine.tracing import Graph
from odtool.errors import ConfigError, OdtoolError
from odtool.workspace import Run

REPORT_EVERY = 3.0
"""Seconds between reports. Fetching a loss waits for the device, so it is done by time and not at each step."""
PICTURES_EVERY = 1000
"""Steps between pictures of what the model is given, in TensorBoard; the first step shows them."""
TOTAL_LOSS = "Loss/total_loss"

log = logging.getLogger("odtool.engine")
Losses = dict[str, Any]


@dataclass(frozen=True)
class Schedule:
    """What one call of `train` has been asked for."""

    num_steps: int
    checkpoint_every: int
    keep_checkpoints: int


def train(
    run: Run,
    *,
    checkpoint_every: int,
    keep_checkpoints: int,
    limits: Limits,
    stop: StopRequest,
    cache: RecordCache | None = None,
    cpu_devices: int = 1,
) -> Ending:
    """Trains up to the config's num_steps, from the newest checkpoint where there is one.

    Args:
        limits: what may end it earlier.
        cache: keeps the encoded records in memory, as many as fit.
        cpu_devices: parts that the CPU is split into.

    Raises:
        OdtoolError: config, records or checkpoint cannot be used, or the loss is no longer finite.
    """
    configs = model.read_configs(run.pipeline_config)
    schedule = Schedule(_num_steps(configs, run), checkpoint_every, keep_checkpoints)
    newest = checkpoints.newest(run)
    if newest is not None and newest[0] >= schedule.num_steps:
        return Ending("finished", f"already trained: {newest[1].name} has {newest[0]} of {schedule.num_steps} steps")
    watch = Watch(run, limits)
    if newest is not None and (ending := watch.look()):
        return Ending(ending.state, f"{ending.reason}; {newest[1].name} has {newest[0]} of {schedule.num_steps} steps")
    if cpu_devices > 1:
        distribution.split_cpu(cpu_devices)
    strategy = distribution.local_strategy()
    _check_batch(configs, strategy, run)
    with strategy.scope():
        detector = model.build_model(configs["model"])
        data = inputs.training_data(configs, detector, strategy, cache=cache)
        trainable = model.build_trainable(configs, detector, data.element_spec)
        start = _restore(run, configs, trainable)
        loop = _Loop(run, configs, schedule, trainable, strategy, stop, watch)
        stop.defer()
        return loop.run_from(start, iter(data))


def _num_steps(configs: model.Configs, run: Run) -> int:
    steps = int(configs["train_config"].num_steps)
    if steps < 1:
        raise ConfigError(
            f"{run.pipeline_config}: train_config.num_steps is {steps}",
            "Say how long to train: odtool configure --steps N",
        )
    return steps


def _check_batch(configs: model.Configs, strategy: Any, run: Run) -> None:
    batch, replicas = configs["train_config"].batch_size, strategy.num_replicas_in_sync
    if batch < 1 or batch % replicas:
        raise ConfigError(
            f"{run.pipeline_config}: train_config.batch_size {batch} cannot be shared among {replicas} device(s)",
            f"Use a multiple of {replicas}: odtool configure --batch-size N",
        )


def _restore(run: Run, configs: model.Configs, trainable: model.Trainable) -> int:
    start = checkpoints.restore_newest(run, trainable.checkpoint)
    if start is not None:
        log.info("going on from step %d", start)
        return start
    if path := model.load_fine_tune_checkpoint(configs, trainable, run.path):
        log.info("starting from %s (%s)", path, configs["train_config"].fine_tune_checkpoint_type)
    else:
        log.info("starting from random weights: the config names no fine_tune_checkpoint")
    return 0


class _Loop:
    """The steps from one start to the end, with what is reported and saved on the way."""

    def __init__(
        self,
        run: Run,
        configs: model.Configs,
        schedule: Schedule,
        trainable: model.Trainable,
        strategy: Any,
        stop: StopRequest,
        watch: Watch,
    ) -> None:
        self._run = run
        self._watch = watch
        self._recent = Recent(configs["train_input_config"])
        self._schedule = schedule
        self._trainable = trainable
        self._stop = stop
        self._batch = int(configs["train_config"].batch_size)
        self._metrics = MetricsLog(run.metrics)
        self._events: Any = None
        self._bad_step = tf.Variable(
            0,
            trainable=False,
            dtype=tf.int64,
            name="first_step_without_finite_loss",
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        self._do_step = Graph(step_function(configs["train_config"], trainable, strategy, self._bad_step))
        self._step = self._saved = 0
        self._reported = (0, 0.0)

    def run_from(self, start: int, data: Any) -> Ending:
        """Takes steps until there are enough or a stop is asked for; saves the last one in either case."""
        values = {"num_steps": self._schedule.num_steps, "batch_size": self._batch}
        self._metrics.write("start", start, {**values, "keep_checkpoints": self._schedule.keep_checkpoints})
        self._step = self._saved = start
        self._reported = (start, time.monotonic())
        if start:
            mark_restart(self._run.events("train"), start)
        self._events = tf.summary.create_file_writer(str(self._run.events("train")))
        state: str = "failed"
        try:
            ending = self._take_steps(start, data)
            state = ending.state
        finally:
            self._events.close()
            self._metrics.write("end", self._step, {"state": state})
        return ending

    def _take_steps(self, start: int, data: Any) -> Ending:
        total = self._schedule.num_steps
        cut: Ending | None = None
        while self._step < total and not self._stop.made and not (cut := self._watch.look()):
            with self._events.as_default():
                losses = self._do_step(data)
            self._step += 1
            self._recent.note(self._step, losses)
            first, last = self._step == start + 1, self._step == total
            if first or last or time.monotonic() - self._reported[1] >= REPORT_EVERY:
                self._report(losses, first=first)
            if self._step - self._saved >= self._schedule.checkpoint_every:
                self._save()
        if self._step > self._saved:
            self._save()
        if self._step < total:
            ended = cut or Ending("stopped", "stopped")
            goes_on = "; the next start goes on from there" if ended.state == "stopped" else ""
            return Ending(ended.state, f"{ended.reason} after step {self._step} of {total}{goes_on}")
        return Ending("finished", f"trained {total} steps")

    def _save(self) -> None:
        self._check_finite()
        step = self._saved = self._step
        prefix = checkpoints.save(self._run, self._trainable.checkpoint, step)
        self._metrics.write("checkpoint", step, {"path": prefix.name})
        checkpoints.prune(self._run, self._schedule.keep_checkpoints)

    def _check_finite(self) -> None:
        bad = int(self._bad_step.numpy())
        if not bad:
            self._recent.trim()
            return
        found = self._recent.explain(bad)
        self._metrics.write("not_finite", bad, {"losses": found.losses, "records": found.records})
        kept = max(self._run.checkpoints(), default=None)
        last = f"the last checkpoint before it is ckpt-{kept}" if kept else "no checkpoint was saved before it"
        raise OdtoolError(
            f"the loss is not a finite number since step {bad} ({last}); {found.text()}",
            "Look for broken boxes in these records (odtool inspect), and lower the learning rate "
            "(odtool configure --set …)",
        )

    def _report(self, losses: Losses, *, first: bool) -> None:
        step = self._step
        values = {name: float(loss) for name, loss in losses.items() if name != BATCH}
        self._check_finite()
        now = time.monotonic()
        speed = (step - self._reported[0]) / max(now - self._reported[1], 1e-9)
        self._reported = (step, now)
        rate = float(self._trainable.learning_rate())
        self._write_events(step, values, rate, None if first else speed)
        # The first step includes tracing and compiling and says nothing of the speed.
        self._metrics.write(
            "train",
            step,
            {
                "loss": values[TOTAL_LOSS],
                "learning_rate": rate,
                "steps_per_second": None if first else speed,
                **{name: value for name, value in values.items() if name != TOTAL_LOSS},
            },
        )
        pace = "" if first else f", {speed:.2f} steps/s, {_left(self._schedule.num_steps - step, speed)} left"
        log.info(
            "step %d/%d, loss %.4f, learning rate %.3g%s",
            step,
            self._schedule.num_steps,
            values[TOTAL_LOSS],
            rate,
            pace,
        )

    def _write_events(self, step: int, values: dict[str, float], rate: float, speed: float | None) -> None:
        """With the stock loop's tags."""
        with self._events.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
            tf.summary.scalar("learning_rate", rate)
            if speed is not None:
                tf.summary.scalar("steps_per_sec", speed)
        self._events.flush()


def step_function(settings: Any, trainable: model.Trainable, strategy: Any, bad_step: Any) -> Callable[[Any], Losses]:
    """One training step over all replicas, as model_lib_v2.train_loop takes it, which also notes a bad loss.

    What it returns holds, under BATCH, the hashes of the records' source ids beside the losses.
    """
    clip = settings.gradient_clipping_by_norm if settings.gradient_clipping_by_norm > 0 else None

    def on_replica(features: Any, labels: Any) -> Losses:
        with tf.summary.record_if(lambda: trainable.step % PICTURES_EVERY == 0):
            tf.summary.image("train_input_images", features[InputDataFields.image], step=trainable.step, max_outputs=3)
        losses: Losses = model_lib_v2.eager_train_step(
            trainable.model,
            features,
            labels,
            settings.unpad_groundtruth_tensors,
            trainable.optimizer,
            training_step=trainable.step,
            add_regularization_loss=settings.add_regularization_loss,
            clip_gradients_value=clip,
            num_replicas=strategy.num_replicas_in_sync,
        )
        trainable.step.assign_add(1)
        return losses

    def do_step(data: Any) -> Losses:
        features, labels = next(data)
        losses = strategy.run(on_replica, args=(features, labels))
        reduced = model_lib_v2.reduce_dict(strategy, losses, tf.distribute.ReduceOp.SUM)
        good = tf.math.is_finite(reduced[TOTAL_LOSS]) | (bad_step > 0)
        bad_step.assign(tf.where(good, bad_step, trainable.step))
        return {**reduced, BATCH: features[HASH_KEY]}

    return do_step


def _left(steps: int, speed: float) -> str:
    seconds = math.ceil(steps / speed) if speed > 0 else 0
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
