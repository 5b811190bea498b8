"""The task preview: images as training gets them, beside their originals and after each augmentation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from object_detection.core.standard_fields import InputDataFields

from odtool.api.tasks.engine_tasks import PreviewTask
from odtool.dataset import label_map
from odtool.engine import model
from odtool.engine.preview import preview_data
from odtool.engine.preview.pixel_recovery import PixelRecovery, to_pixels
from odtool.engine.preview.views import View, cut_padding, write_view


def write_preview(task: PreviewTask) -> dict[str, Any]:
    """Writes pictures into the task's folder.

    Returns:
        batch_size (of the config), labels (by id), is_exact (whether pictures show the very pixels), images (batch,
        source_id, filename, original, given) and stages (given and draws for each augmentation), of views as
        `write_view` gives them; and last, the view of what the first image is in the end.

    Raises:
        OdtoolError: the config or its label map cannot be read, or there are no records.
    """
    with preview_data.seeding(task.seed):
        return _write(task)


def _write(task: PreviewTask) -> dict[str, Any]:
    configs = model.read_configs(task.run.pipeline_config)
    reader = preview_data.read_reader(configs)
    labels = label_map.labels(Path(reader.label_map_path))
    # The model's own preprocessing is part of the pipeline; none of its variables is made.
    detector = model.build_model(configs["model"])
    images, recovery, record = [], None, b""
    for number, (features, truth, index, serialized) in enumerate(_take(configs, detector, task.images)):
        values = features[InputDataFields.image][index].numpy()
        if recovery is None:
            recovery, record = PixelRecovery(detector, values.shape[:2]), serialized
        images.append({
            "batch": number // configs["train_config"].batch_size + 1,
            **_describe_record(serialized),
            "original": _write_original(task.folder, f"original-{number}", preview_data.decode(reader, serialized)),
            "given": _write_given(task.folder, f"given-{number}", values, cut_padding(truth, index), recovery),
        })  # fmt: skip
    answer: dict[str, Any] = {
        "batch_size": configs["train_config"].batch_size,
        "labels": labels,
        "is_exact": recovery is not None and recovery.is_exact,
        "images": images,
    }
    if task.step_by_step and recovery is not None:
        answer |= _write_stages(task.folder, configs, detector, recovery, record)
    return answer


def _take(configs: model.Configs, detector: Any, count: int) -> Iterator[tuple[Any, Any, int, bytes]]:
    """Features and labels of a batch, with the place in it and the record of one image, `count` times."""
    for features, labels, records in preview_data.build_batches(configs, detector, images=count):
        for index, record in enumerate(records.numpy()):
            yield features, labels, index, record
            count -= 1
            if not count:
                return


def _describe_record(serialized: bytes) -> dict[str, str]:
    values = tf.train.Example.FromString(serialized).features.feature
    words = {}
    for name in ("source_id", "filename"):
        content = next(iter(values[f"image/{name}"].bytes_list.value), b"")
        words[name] = content.decode("utf-8", "replace")
    return words


def _write_original(folder: Path, name: str, tensors: preview_data.Tensors) -> View:
    arrays = {key: tensor.numpy() for key, tensor in tensors.items()}
    values = arrays[InputDataFields.image]
    pixels, is_spread = to_pixels(values)
    return write_view(folder, name, pixels, arrays, values=values, is_spread=is_spread)


def _write_given(
    folder: Path, name: str, values: Any, truth: preview_data.Tensors, recovery: PixelRecovery
) -> View:  # fmt: skip
    pixels, is_spread = recovery.recover(values)
    return write_view(folder, name, pixels, truth, values=values, is_spread=is_spread)


def _write_stages(
    folder: Path, configs: model.Configs, detector: Any, recovery: PixelRecovery, record: bytes
) -> dict[str, Any]:  # fmt: skip
    (features, truth), walked = preview_data.run_stages(configs, detector, record)
    before = preview_data.decode(preview_data.read_reader(configs), record)
    stages = []
    for number, (after, draws) in enumerate(walked):
        stages.append({
            "given": _write_original(folder, f"stage-{number}", after),
            "changed": _differ(before, after),
            "draws": [
                _write_original(folder, f"stage-{number}-{draw}", tensors) for draw, tensors in enumerate(draws)
            ],
        })  # fmt: skip
        before = after
    batch = {name: tensor[np.newaxis] for name, tensor in truth.items()}
    values = features[InputDataFields.image].numpy()
    return {"stages": stages, "last": _write_given(folder, "last", values, cut_padding(batch, 0), recovery)}


def _differ(one: preview_data.Tensors, other: preview_data.Tensors) -> bool:
    """Whether an augmentation has done something; it casts pixels to floats in any case."""
    return any(
        one[name].shape != other[name].shape
        or not np.array_equal(one[name].numpy(), other[name].numpy(), equal_nan=one[name].dtype.is_floating)
        for name in one
    )
