"""Training: our loop around the API's model and its own training step."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
from object_detection import model_lib_v2
from object_detection.core.standard_fields import InputDataFields
from object_detection.inputs import HASH_KEY

from odtool.cluster import Cluster
from odtool.engine import checkpoints, distribution, inputs, model, rendezvous
from odtool.engine.cache import RecordCache
from odtool.engine.distribution import AGREE_EVERY, Team
from odtool.engine.ending import Ending, StopRequest
from odtool.engine.faults import BATCH, Recent
from odtool.engine.limits import Limits, Watch
from odtool.engine.progress import TOTAL_LOSS, Progress, log
from odtool.engine.tracing import Graph
from odtool.errors import ConfigError, OdtoolError
from odtool.workspace import Run

REPORT_EVERY = 3.0
"""Seconds between reports. Fetching a loss waits for the device, so it is done by time and not at each step."""
PICTURES_EVERY = 1000
"""Steps between pictures of what the model is given, in TensorBoard; the first step shows them."""

Losses = dict[str, Any]
Place = tuple[int, Path]
"""Steps done and prefix of the checkpoint that training goes on from."""


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
    cluster: Cluster | None = None,
) -> Ending:
    """Trains up to the config's num_steps, from the newest checkpoint where there is one.

    Args:
        limits: what may end it earlier; where several processes train, the chief's count.
        cache: keeps the encoded records in memory, as many as fit.
        cpu_devices: parts that the CPU is split into.
        cluster: the processes that train together, each called with the same run and options.

    Raises:
        OdtoolError: config, records or checkpoint cannot be used, the loss is no longer finite, or a process of the
            cluster did not come.
    """
    configs = model.read_configs(run.pipeline_config)
    schedule = Schedule(_num_steps(configs, run), checkpoint_every, keep_checkpoints)
    is_chief = cluster is None or cluster.is_chief
    # What is damaged is set aside by one process only.
    place = checkpoints.newest(run) if is_chief else max(run.checkpoints().items(), default=None)
    if place is not None and place[0] >= schedule.num_steps:
        return Ending("finished", f"already trained: {place[1].name} has {place[0]} of {schedule.num_steps} steps")
    watch = Watch(run, limits if is_chief else Limits())
    ending = watch.look() if place is not None else None
    if cluster is not None:
        place, ending = _meet(run, schedule, cluster, place, ending)
    if place is not None and ending is not None:
        return Ending(ending.state, f"{ending.reason}; {place[1].name} has {place[0]} of {schedule.num_steps} steps")
    team = _team(run, cluster, cpu_devices, stop)
    _check_batch(configs, team.strategy, run)
    try:
        with team.strategy.scope():
            detector = model.build_model(configs["model"])
            data = inputs.training_data(configs, detector, team.strategy, cache=cache)
            trainable = model.build_trainable(configs, detector, data.element_spec)
            start = _restore(run, configs, trainable, team, place)
            loop = _Loop(run, configs, schedule, trainable, team, stop, watch)
            stop.defer()
            return loop.run_from(start, iter(data))
    except tf.errors.OpError as error:
        if ending := team.ending_of(error):
            return ending
        raise


def _meet(
    run: Run, schedule: Schedule, cluster: Cluster, place: Place | None, ending: Ending | None
) -> tuple[Place | None, Ending | None]:
    """Waits for the other processes; what the chief has found holds for all."""
    settings = {
        "pipeline.config": hashlib.sha256(run.pipeline_config.read_bytes()).hexdigest(),
        "--checkpoint-every": schedule.checkpoint_every,
        "version of TensorFlow": tf.__version__,
    }
    plan: rendezvous.Message = {
        "step": place[0] if place else None,
        "ending": {"state": ending.state, "reason": ending.reason} if ending else None,
    }
    if cluster.is_chief:
        rendezvous.gather(cluster, settings, plan)
    else:
        plan = rendezvous.join(cluster, settings)
    step, told = plan["step"], plan["ending"]
    return (step, run.checkpoint(step)) if step else None, Ending(**told) if told else None


def _team(run: Run, cluster: Cluster | None, cpu_devices: int, stop: StopRequest) -> Team:
    if cluster is not None:
        # From here on a stop is for all: they agree on it at the first step.
        stop.defer()
        return distribution.connect(run, cluster, stop)
    if cpu_devices > 1:
        distribution.split_cpu(cpu_devices)
    return Team(distribution.local_strategy())


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


def _restore(run: Run, configs: model.Configs, trainable: model.Trainable, team: Team, place: Place | None) -> int:
    if team.cluster is None:
        start = checkpoints.restore_newest(run, trainable.checkpoint)
    else:
        start = checkpoints.restore(run, trainable.checkpoint, *place, is_chief=team.is_chief) if place else None
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
        team: Team,
        stop: StopRequest,
        watch: Watch,
    ) -> None:
        self._run = run
        self._watch = watch
        self._recent = Recent(configs["train_input_config"])
        self._schedule = schedule
        self._trainable = trainable
        self._team = team
        self._stop = stop
        self._batch = int(configs["train_config"].batch_size)
        self._progress = Progress(run, num_steps=schedule.num_steps, writes=team.is_chief)
        self._bad_step = tf.Variable(
            0,
            trainable=False,
            dtype=tf.int64,
            name="first_step_without_finite_loss",
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        self._do_step = Graph(step_function(configs["train_config"], trainable, team.strategy, self._bad_step))
        self._start = self._step = self._saved = 0

    def run_from(self, start: int, data: Any) -> Ending:
        """Takes steps until there are enough or a stop is asked for; saves the last one in either case."""
        self._start = self._step = self._saved = start
        self._progress.begin(start, {"batch_size": self._batch, "keep_checkpoints": self._schedule.keep_checkpoints})
        state: str = "failed"
        try:
            ending = self._take_steps(data)
            state = ending.state
        finally:
            self._progress.end(self._step, state)
        return ending

    def _take_steps(self, data: Any) -> Ending:
        total = self._schedule.num_steps
        cut: Ending | None = None
        while self._step < total and not (cut := self._cut()):
            with self._progress.pictures():
                losses = self._do_step(data)
            self._step += 1
            self._recent.note(self._step, losses)
            first, last = self._step == self._start + 1, self._step == total
            if first or last or self._progress.since_report >= REPORT_EVERY:
                self._report(losses, first=first)
            if self._step - self._saved >= self._schedule.checkpoint_every:
                self._save()
        if self._step > self._saved:
            self._save()
        if cut is not None:
            goes_on = "; the next start goes on from there" if cut.state == "stopped" else ""
            return Ending(cut.state, f"{cut.reason} after step {self._step} of {total}{goes_on}")
        return Ending("finished", f"trained {total} steps")

    def _cut(self) -> Ending | None:
        """How training is to end before its last step; None where it is to go on."""
        if self._team.cluster is not None and (self._step - self._start) % AGREE_EVERY:
            return None
        own = Ending("stopped", "stopped") if self._stop.made else self._watch.look()
        if self._team.cluster is None:
            return own
        # Its loss is of all, so that all fail after the same step.
        self._check_finite()
        return self._team.agree(own)

    def _save(self) -> None:
        self._check_finite()
        step = self._saved = self._step
        if not self._team.is_chief:
            checkpoints.take_part(self._trainable.checkpoint)
            return
        prefix = checkpoints.save(self._run, self._trainable.checkpoint, step)
        self._progress.saved(step, prefix.name)
        checkpoints.prune(self._run, self._schedule.keep_checkpoints)

    def _check_finite(self) -> None:
        bad = int(self._bad_step.numpy())
        if not bad:
            self._recent.trim()
            return
        found = self._recent.explain(bad)
        self._progress.fault(bad, found)
        kept = max(self._run.checkpoints(), default=None)
        last = f"the last checkpoint before it is ckpt-{kept}" if kept else "no checkpoint was saved before it"
        raise OdtoolError(
            f"the loss is not a finite number since step {bad} ({last}); {found.text()}",
            "Look for broken boxes in these records (odtool inspect), and lower the learning rate "
            "(odtool configure --set …)",
        )

    def _report(self, losses: Losses, *, first: bool) -> None:
        if self._team.cluster is None:
            self._check_finite()
        self._progress.report(self._step, losses, float(self._trainable.learning_rate()), first=first)


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
