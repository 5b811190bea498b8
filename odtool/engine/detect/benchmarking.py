"""The engine's task `benchmark`: one model on one device, in a process whose threads and memory are its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

from odtool.api.tasks.engine_tasks import BenchmarkTask
from odtool.detection.detector import Detector
from odtool.errors import DataError
from odtool.workspace import ExportedModel

_GPU_PROVIDERS = {"CUDAExecutionProvider", "TensorrtExecutionProvider", "ROCMExecutionProvider"}


def benchmark(task: BenchmarkTask, tell: Callable[[Any], None]) -> dict[str, Any]:
    """Does what the task asks for; see `detection.benchmark.measurement.Measurement`.

    Raises:
        OdtoolError: the model cannot be loaded, its runtime does not use the GPU, or there are no images.
    """
    from odtool.detection.benchmark import measurement, record_examples
    from odtool.engine.detect.loading import load_detector

    if task.threads:
        limit_threads(task.threads)
    tell(f"loading {task.model.name}")
    detector = load_detector(task.model)
    if task.on_gpu:
        refuse_without_gpu(detector, task)
    label_map = ExportedModel(task.model.parent).label_map
    examples = record_examples.read_examples(
        [Path(name) for name in task.records],
        detector.labels,
        task.images,
        label_map=label_map if label_map.is_file() else None,
    )
    first = next(examples, None)
    if first is None:
        raise DataError(f"{', '.join(task.records)}: no images there", "Prepare the data again: odtool prepare")
    tell(f"timing {task.model.name}")
    result = measurement.measure(
        detector,
        chain([first], examples),
        batches=[int(size) for size in task.batches],
        repeats=task.repeats,
        score=task.score,
    )
    return asdict(result)


def limit_threads(count: int) -> None:
    """Leaves this process so many of its processors: every runtime starts as many threads as it may use.

    Their own options differ, and none of them reaches all of a runtime's pools.
    """
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, allowed[:count])


def refuse_without_gpu(detector: Detector, task: BenchmarkTask) -> None:
    """Raises DataError where the model would run on the CPU though a GPU is asked for."""
    from odtool.detection.runtimes.onnx import OnnxDetector

    if isinstance(detector, OnnxDetector):
        if not _GPU_PROVIDERS & set(detector.providers):
            raise DataError(
                f"{task.model.name}: this onnxruntime does not use GPUs", "Install it: pip install onnxruntime-gpu"
            )
        return
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        raise DataError(f"{task.model.name}: TensorFlow finds no GPU", "See: odtool doctor")
