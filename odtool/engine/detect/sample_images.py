"""A run's best model over images of its evaluation records, with true and detected boxes side by side as numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from odtool import checkpoint_choice, files
from odtool.dataset import label_map
from odtool.detection.detector import Detections, Detector
from odtool.engine import model
from odtool.engine.detect.tensorflow_detectors import CheckpointDetector
from odtool.engine.export import trained_model
from odtool.engine.input import record_images
from odtool.engine.input.record_files import copy_label_map, require_files
from odtool.workspace import Run

ENDINGS = {b"jpeg": ".jpg", b"jpg": ".jpg", b"png": ".png", b"gif": ".gif", b"bmp": ".bmp"}
FEWEST = 1e-3
"""Score below which a detection is not worth writing down; detectors return a hundred boxes in any case."""


def detect(run: Run, count: int, output: Path) -> None:
    """Writes a JSON object with `checkpoint` and `images` to `output`, and the encoded images beside it.

    Each image has source_id, filename, file (beside `output`), width, height, and lists `true` and `detected` of
    objects with label, class_id, box [xmin, ymin, xmax, ymax] in pixels, and for detected ones a score.

    Raises:
        JobError: the run has no checkpoint.
        DataError: there are no evaluation records.
    """
    configs = model.read_configs(run.pipeline_config)
    checkpoint = checkpoint_choice.find(run)
    reader = configs["eval_input_config"]
    detector = CheckpointDetector.from_trained_model(trained_model.load(run, checkpoint))
    ids = label_map.index_texts(label_map.read(copy_label_map(reader.label_map_path)))
    output.parent.mkdir(parents=True, exist_ok=True)
    images = [
        _describe_image(example, detector, ids, output, index)
        for index, example in enumerate(_read_examples(reader, count))
    ]
    files.write_atomically(output, json.dumps({"checkpoint": checkpoint.name, "images": images}) + "\n")


def _read_examples(reader: Any, count: int) -> Iterator[Any]:
    """The first tf.train.Examples of a reader's files."""
    files = require_files(reader)
    for record in tf.data.TFRecordDataset(files).take(count):
        yield tf.train.Example.FromString(record.numpy())


def _describe_image(
    example: Any, detector: Detector, ids: Mapping[str, int], output: Path, index: int
) -> dict[str, Any]:  # fmt: skip
    values = example.features.feature
    encoded = values["image/encoded"].bytes_list.value[0]
    image = record_images.decode(encoded, _read_text(values["image/source_id"]))
    height, width = image.shape[:2]
    kind = next(iter(values["image/format"].bytes_list.value), b"").lower()
    picture = output.with_name(f"{output.stem}-{index}{ENDINGS.get(kind, '.jpg')}")
    picture.write_bytes(encoded)
    (detections,) = detector.detect([image], min_score=FEWEST)
    return {
        "source_id": _read_text(values["image/source_id"]),
        "filename": _read_text(values["image/filename"]),
        "file": picture.name,
        "width": width,
        "height": height,
        "true": _list_true(values, detector.labels, ids, width, height),
        "detected": _list_detected(detections, detector.labels),
    }


def _read_text(feature: Any) -> str:
    return str(next(iter(feature.bytes_list.value), b"").decode("utf-8", "replace"))


def _list_true(
    values: Any, names: Mapping[int, str], ids: Mapping[str, int], width: int, height: int
) -> list[dict[str, Any]]:
    sides = [values[f"image/object/bbox/{side}"].float_list.value for side in ("xmin", "ymin", "xmax", "ymax")]
    # As the decoder does: the text counts where there is one, else the number.
    texts = [text.decode("utf-8", "replace") for text in values["image/object/class/text"].bytes_list.value]
    numbers = [ids.get(text, 0) for text in texts] or list(values["image/object/class/label"].int64_list.value)
    return [
        {"label": names.get(number, str(number)), "class_id": number, "box": _to_pixels(box, width, height)}
        for number, box in zip(numbers, zip(*sides, strict=True), strict=True)
    ]


def _list_detected(detections: Detections, names: Mapping[int, str]) -> list[dict[str, Any]]:
    return [
        {
            "label": names.get(number, str(number)),
            "class_id": number,
            "box": [round(side, 2) for side in box],
            "score": round(score, 4),
        }
        for number, score, box in zip(
            detections.classes.tolist(), detections.scores.tolist(), detections.boxes.tolist(), strict=True
        )
    ]


def _to_pixels(box: tuple[float, ...], width: int, height: int) -> list[float]:
    xmin, ymin, xmax, ymax = box
    return [round(xmin * width, 2), round(ymin * height, 2), round(xmax * width, 2), round(ymax * height, 2)]
