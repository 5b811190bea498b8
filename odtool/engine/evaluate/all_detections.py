"""Every detection of a checkpoint in the evaluation records beside the truth, as evaluation sees both, in a file."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from object_detection.core.standard_fields import DetectionResultFields, InputDataFields

from odtool import files
from odtool.engine import model
from odtool.engine.evaluate.scoring import Scorer
from odtool.engine.evaluate.set_metrics import refuse_empty
from odtool.engine.model import Configs
from odtool.engine.outcome import StopSignal
from odtool.workspace import Run

_FLAGS = {
    "crowd": InputDataFields.groundtruth_is_crowd,
    "group_of": InputDataFields.groundtruth_group_of,
    "difficult": InputDataFields.groundtruth_difficult,
}
_TELL_EVERY = 2.0
"""Seconds."""


def write_detections(
    run: Run, prefix: Path, output: Path, header: dict[str, Any], tell: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """Runs a checkpoint over the first evaluation set and writes a line of JSON for each image.

    The first line is an object with `header`'s values, `step`, `labels` (names by id) and `sets`, the number of
    evaluation sets that the config names. Each other line is an image: `key`, the number by which evaluation knows it
    and in whose order it ranks equal scores; `source_id`; `width` and `height` in pixels; `true`, with lists `boxes`
    ([xmin, ymin, xmax, ymax] in pixels), `classes`, `crowd`, `group_of` and `difficult`; and `detected`, with
    `boxes`, `classes` and `scores`. Where evaluation scores masks, both have `masks`, too: COCO's compressed run
    lengths, for the whole image. The file appears when it is whole.

    Args:
        prefix: the checkpoint's path without .index.
        tell: called now and then with the number of images done.

    Returns:
        `images` and `seconds`.

    Raises:
        ConfigError: the config names no evaluation set.
        DataError: the set has no images.
    """
    configs = model.read_configs(run.pipeline_config)
    model.require_evaluation_set(configs, run)
    scorer = _Recorder(configs, model.build_model(configs["model"]), tell)
    step = model.build_restorable(configs, scorer.detector, scorer.element).restore(prefix)
    first = {**header, "step": step, "labels": scorer.labels(), "sets": len(configs["eval_input_configs"])}
    output.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with files.replacing(output) as unfinished, unfinished.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(first) + "\n")
        images = scorer.record(stream)
    return {"images": images, "seconds": time.monotonic() - start}


class _Recorder(Scorer):
    """Evaluation that writes down what it is given in place of scoring it."""

    def __init__(self, configs: Configs, detector: Any, tell: Callable[[int], None]) -> None:
        # Nobody looks at the pictures that evaluation draws for TensorBoard.
        settings = copy.deepcopy(configs["eval_config"])
        settings.num_visualizations = 0
        reader = copy.deepcopy(configs["eval_input_configs"][0])
        reader.include_source_id = True
        super().__init__({**configs, "eval_config": settings}, reader, detector, sample=1)
        self.detector = detector
        self._tell = tell

    def labels(self) -> dict[int, str]:
        """Class names by id."""
        return {int(number): str(item["name"]) for number, item in self.metrics.categories.items()}

    def record(self, stream: IO[str]) -> int:
        """Writes a line for each image; gives their number."""
        written, last = 0, time.monotonic()
        for result in self.run(StopSignal()):
            written += _write_batch(result.values, stream)
            if time.monotonic() - last > _TELL_EVERY:
                last = time.monotonic()
                self._tell(written)
        refuse_empty(written)
        return written

    def _batch(self, features: dict[str, Any], labels: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        losses, batch = super()._batch(features, labels)
        return losses, {**batch, InputDataFields.source_id: features[InputDataFields.source_id]}


_WRITTEN = {
    InputDataFields.key,
    InputDataFields.source_id,
    InputDataFields.original_image_spatial_shape,
    InputDataFields.num_groundtruth_boxes,
    InputDataFields.groundtruth_boxes,
    InputDataFields.groundtruth_classes,
    *_FLAGS.values(),
    DetectionResultFields.num_detections,
    DetectionResultFields.detection_boxes,
    DetectionResultFields.detection_classes,
    DetectionResultFields.detection_scores,
    InputDataFields.groundtruth_instance_masks,
    DetectionResultFields.detection_masks,
}


def _write_batch(values: dict[str, Any], stream: IO[str]) -> int:
    arrays = {name: value.numpy() for name, value in values.items() if name in _WRITTEN}
    images = len(arrays[InputDataFields.key])
    for index in range(images):
        image = {name: value[index] for name, value in arrays.items()}
        stream.write(json.dumps(_describe_image(image)) + "\n")
    return images


def _describe_image(values: dict[str, Any]) -> dict[str, Any]:
    true, detected = (
        int(values[InputDataFields.num_groundtruth_boxes]),
        int(values[DetectionResultFields.num_detections]),
    )
    flags = {name: values[key][:true].astype(bool).tolist() for name, key in _FLAGS.items() if key in values}
    height, width = values[InputDataFields.original_image_spatial_shape].tolist()
    true_masks, masks = {}, {}
    if {InputDataFields.groundtruth_instance_masks, DetectionResultFields.detection_masks} <= values.keys():
        # Both are of the largest image of the batch, as the API's evaluator takes them, too.
        true_masks = _encode_masks(values[InputDataFields.groundtruth_instance_masks][:true, :height, :width])
        masks = _encode_masks(values[DetectionResultFields.detection_masks][:detected, :height, :width])
    return {
        "key": int(values[InputDataFields.key]),
        "source_id": values[InputDataFields.source_id].decode("utf-8", "backslashreplace"),
        "width": width,
        "height": height,
        "true": {
            "boxes": _to_corners(values[InputDataFields.groundtruth_boxes][:true]),
            "classes": values[InputDataFields.groundtruth_classes][:true].tolist(),
            **{name: flags.get(name, [False] * true) for name in _FLAGS},
            **true_masks,
        },
        "detected": {
            "boxes": _to_corners(values[DetectionResultFields.detection_boxes][:detected]),
            "classes": values[DetectionResultFields.detection_classes][:detected].tolist(),
            "scores": values[DetectionResultFields.detection_scores][:detected].tolist(),
            **masks,
        },
    }


def _encode_masks(bitmaps: Any) -> dict[str, list[str]]:
    from pycocotools import mask

    runs = (mask.encode(np.asfortranarray(bitmap.astype(np.uint8))) for bitmap in bitmaps)
    return {"masks": [entry["counts"].decode("ascii") for entry in runs]}


def _to_corners(boxes: Any) -> Any:
    """From [ymin, xmin, ymax, xmax]."""
    return boxes[:, [1, 0, 3, 2]].tolist()
