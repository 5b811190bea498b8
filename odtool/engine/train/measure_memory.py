"""The memory that training takes at a batch size: some real steps and a saved checkpoint, and the mark they left."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import tensorflow as tf

from odtool import shortage, temporary_folders
from odtool.engine import model
from odtool.engine.input import input_pipelines
from odtool.engine.tracing import TracedFunction
from odtool.engine.train import distribution, loop, step_reports, training
from odtool.workspace import Run

_FIRST = 2
"""Steps before a GPU's mark is set back: the search for the fastest convolutions takes memory that it can spare."""
_LEAST, _MOST = 4, 20
"""Steps. On two cores the resident memory of a small SSD grew by 5% from the first step to the fourth, then by 3%."""
_ENOUGH = 5.0
"""Seconds of steps after the least number of them."""


def measure(run: Run, batch_size: int, precision: str = "float32") -> dict[str, Any]:
    """Trains for some steps with the run's real model, records and augmentation; nothing is kept of it.

    To be called once in a process, as the marks are the process's own.

    Args:
        precision: of the networks' arithmetic, as training is to have it.

    Returns:
        batch_size, replicas, device ('gpu' or 'cpu'), peak_bytes (of the fullest GPU by TensorFlow's own counter, or
        of the process's resident memory), steps, and out_of_memory: whether a step failed because memory ran out.

    Raises:
        OdtoolError: the config or its records cannot be used, or the model cannot be computed in that precision.
    """
    configs = model.read_configs(run.pipeline_config)
    configs["train_config"].batch_size = batch_size
    strategy = distribution.choose_local_strategy()
    gpus = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices("GPU")]
    report = {"batch_size": batch_size, "replicas": strategy.num_replicas_in_sync, "device": "gpu" if gpus else "cpu"}
    try:
        steps = _take_steps(run, configs, strategy, gpus, precision)
    except Exception as error:  # whatever class: a full disk has the same as a lack of memory
        if (lacking := shortage.find(error)) is None or not lacking.is_of_memory:
            raise
        return {**report, "steps": 0, "peak_bytes": None, "out_of_memory": True}
    peak = max(_measure_gpu_peak(gpu) for gpu in gpus) if gpus else measure_process_peak()
    return {**report, "steps": steps, "peak_bytes": peak, "out_of_memory": False}


def _take_steps(run: Run, configs: model.Configs, strategy: Any, gpus: list[str], precision: str) -> int:
    """Gives the steps taken."""
    with strategy.scope():
        model.set_precision(precision)
        detector = model.build_model(configs["model"])
        data = input_pipelines.build_training_data(configs, detector, strategy)
        trainable = training.build_trainable(run, configs, detector, data, precision)
        bad_step = tf.Variable(
            0, trainable=False, dtype=tf.int64, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA
        )
        step = TracedFunction(loop.build_step_function(configs["train_config"], trainable, strategy, bad_step))
        steps = _time_steps(step, iter(data), gpus)
        with temporary_folders.make() as folder:
            trainable.checkpoint.write(str(folder / "ckpt"))
    return steps


def _time_steps(step: TracedFunction, data: Any, gpus: list[str]) -> int:
    count, start = 0, 0.0
    while count < _FIRST + _LEAST or (count < _MOST and time.monotonic() - start < _ENOUGH):
        if count == _FIRST:
            start = time.monotonic()
            for gpu in gpus:
                tf.config.experimental.reset_memory_stats(gpu)
        losses = step(data)
        float(losses[step_reports.TOTAL_LOSS])  # waits for the device
        count += 1
    return count


def _measure_gpu_peak(gpu: str) -> int:
    return int(tf.config.experimental.get_memory_info(gpu)["peak"])


def measure_process_peak() -> int:
    """Bytes of this process's memory that were resident at once, its highest since it began.

    getrusage's figure would count what the process was before it became this program.
    """
    match = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    assert match is not None  # Linux has had it since 2.6
    return int(match[1]) * 1024
