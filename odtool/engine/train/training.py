"""Training: where it starts, which processes meet for it, and the loop that then takes the steps."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from odtool import state_files
from odtool.cluster import Cluster
from odtool.engine import checkpoints, model
from odtool.engine.input import input_pipelines
from odtool.engine.input.record_cache import RecordCache
from odtool.engine.outcome import Ending, StopSignal
from odtool.engine.train import cluster_secret, distribution, rendezvous
from odtool.engine.train.distribution import Team
from odtool.engine.train.limits import Limits, Watch
from odtool.engine.train.loop import Loop, Schedule
from odtool.engine.train.step_reports import log
from odtool.errors import ConfigError, first_line
from odtool.pipeline.checks.training_length import refuse_batch_size
from odtool.state_files import Count
from odtool.workspace import Run

Place = tuple[int, Path]
"""Steps done and prefix of the checkpoint that training continues from."""
_kept_iterators: list[Any] = []
"""Those that feed several devices, which TensorFlow tunes in any case and which may take a minute to end, as
`input_pipelines` says. They end with the process, which does not wait for them."""


@dataclass(frozen=True)
class _Plan:
    """What the chief tells the others of where training begins."""

    step: Count | None
    """Steps that the checkpoint has done."""
    checkpoint: str | None
    """Its name within the run."""
    ending: Ending | None


def train(
    run: Run,
    *,
    checkpoint_every: int,
    keep_checkpoints: int,
    limits: Limits,
    stop: StopSignal,
    cache: RecordCache | None = None,
    precision: str = "float32",
    cpu_devices: int = 1,
    cluster: Cluster | None = None,
) -> Ending:
    """Trains up to the config's num_steps, from the newest checkpoint where there is one.

    Args:
        limits: what may end it earlier; where several processes train, the chief's count.
        cache: keeps the encoded records in memory, as many as fit.
        precision: of the networks' arithmetic, float32 or bfloat16; variables and losses are float32 in any case.
        cpu_devices: parts that the CPU is split into.
        cluster: the processes that train together, each called with the same run and options.

    Raises:
        OdtoolError: config, records or checkpoint cannot be used, the loss is no longer finite, or a process of the
            cluster did not come.
    """
    configs = model.read_configs(run.pipeline_config)
    num_steps = _require_num_steps(configs, run)
    schedule = Schedule(num_steps, checkpoint_every, keep_checkpoints, precision, cached=cache is not None)
    is_chief = cluster is None or cluster.is_chief
    # What is damaged is set aside by one process only.
    place = checkpoints.find_newest(run) if is_chief else max(run.checkpoints().items(), default=None)
    if place is not None and place[0] >= schedule.num_steps:
        return Ending("finished", f"already trained: {place[1].name} has {place[0]} of {schedule.num_steps} steps")
    watch = Watch(run, limits if is_chief else Limits())
    ending = watch.look() if place is not None else None
    if cluster is not None:
        place, ending = _agree_on_start(run, schedule, cluster, place, ending)
    if place is not None and ending is not None:
        return Ending(ending.state, f"{ending.reason}; {place[1].name} has {place[0]} of {schedule.num_steps} steps")
    team = _connect_team(run, cluster, cpu_devices, stop)
    _check_batch(configs, team.strategy, run)
    try:
        with team.strategy.scope():
            model.set_precision(precision)
            detector = model.build_model(configs["model"])
            data = input_pipelines.build_training_data(configs, detector, team.strategy, cache=cache)
            trainable = build_trainable(run, configs, detector, data, precision)
            start = _restore_start(run, configs, trainable, team, place)
            loop = Loop(run, configs, schedule, trainable, team, stop, watch)
            stop.defer()
            batches = iter(data)
            if team.strategy.num_replicas_in_sync > 1:
                _kept_iterators.append(batches)
            return loop.run_from(start, batches)
    except tf.errors.OpError as error:
        if ending := team.explain_lost_peer(error):
            # Started again it would wait for the others, and had been asked to end.
            return Ending("stopped", f"stopped when {ending.reason}") if stop.requested else ending
        raise


def build_trainable(run: Run, configs: model.Configs, detector: Any, data: Any, precision: str) -> model.Trainable:
    """What the model of a run is trained with, computed in this precision.

    Raises:
        ConfigError: it cannot be.
    """
    try:
        return model.build_trainable(configs, detector, data.element_spec)
    except (TypeError, ValueError) as error:
        if precision == "float32":
            raise
        raise ConfigError(
            f"{run.pipeline_config}: this model cannot be computed in {precision}: {first_line(error)}",
            "Train it with --precision float32.",
        ) from error


def _agree_on_start(
    run: Run, schedule: Schedule, cluster: Cluster, place: Place | None, ending: Ending | None
) -> tuple[Place | None, Ending | None]:
    """Waits for the other processes; what the chief has found holds for all."""
    settings = {
        "pipeline.config": hashlib.sha256(run.pipeline_config.read_bytes()).hexdigest(),
        "--checkpoint-every": schedule.checkpoint_every,
        "--precision": schedule.precision,
        "version of TensorFlow": tf.__version__,
    }
    plan: rendezvous.Message = {
        "step": place[0] if place else None,
        "checkpoint": place[1].name if place else None,
        "ending": {"state": ending.state, "reason": ending.reason} if ending else None,
    }
    secret = cluster_secret.load(run.cluster_secret)
    if cluster.is_chief:
        rendezvous.gather(cluster, settings, plan, secret)
    else:
        plan = rendezvous.join(cluster, settings, secret)
    agreed = state_files.build(_Plan, plan)
    if agreed.step and agreed.checkpoint and Path(agreed.checkpoint).name == agreed.checkpoint:
        return (agreed.step, run.path / agreed.checkpoint), agreed.ending
    return None, agreed.ending


def _connect_team(run: Run, cluster: Cluster | None, cpu_devices: int, stop: StopSignal) -> Team:
    if cluster is not None:
        # From here on a stop is for all: they agree on it at the first step.
        stop.defer()
        return distribution.connect(run, cluster, stop)
    if cpu_devices > 1:
        distribution.split_cpu(cpu_devices)
    return Team(distribution.choose_local_strategy())


def _require_num_steps(configs: model.Configs, run: Run) -> int:
    steps = int(configs["train_config"].num_steps)
    if steps < 1:
        raise ConfigError(
            f"{run.pipeline_config}: train_config.num_steps is {steps}",
            "Say how long to train: odtool configure --steps N",
        )
    return steps


def _check_batch(configs: model.Configs, strategy: Any, run: Run) -> None:
    try:
        refuse_batch_size(configs["train_config"].batch_size, strategy.num_replicas_in_sync)
    except ConfigError as error:
        raise ConfigError(f"{run.pipeline_config}: {error.message}", error.hint) from None


def _restore_start(
    run: Run, configs: model.Configs, trainable: model.Trainable, team: Team, place: Place | None
) -> int:
    if team.cluster is None:
        start = checkpoints.restore_newest(run, trainable.checkpoint)
    else:
        start = checkpoints.restore(run, trainable.checkpoint, *place, is_chief=team.is_chief) if place else None
    if start is not None:
        log.info("continuing from step %d", start)
        return start
    if path := model.load_fine_tune_checkpoint(configs, trainable, run.path):
        log.info("starting from %s (%s)", path, configs["train_config"].fine_tune_checkpoint_type)
    else:
        log.info("starting from random weights: the config names no fine_tune_checkpoint")
    return 0
