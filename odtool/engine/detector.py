"""A run's best model over images of its evaluation records, with true and detected boxes side by side as numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from object_detection.core.standard_fields import DetectionResultFields
from object_detection.protos import model_pb2

from odtool import files
from odtool.dataset import label_map
from odtool.engine import checkpoints, model
from odtool.engine.tracing import Graph
from odtool.errors import DataError, JobError
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
    checkpoint = _checkpoint(run)
    reader = configs["eval_input_config"]
    names = {number: name for name, number in label_map.load(Path(reader.label_map_path)).items()}
    find = detection_function(configs["model"], checkpoint)
    output.parent.mkdir(parents=True, exist_ok=True)
    found = [_image(example, find, names, output, index) for index, example in enumerate(_examples(reader, count))]
    files.write_atomically(output, json.dumps({"checkpoint": checkpoint.name, "images": found}) + "\n")


def detection_function(model_config: model_pb2.DetectionModel, checkpoint: Path) -> Graph:
    """From an image [height, width, 3], uint8, RGB, to the API's detections without a batch dimension."""
    detector = model.build_model(model_config, is_training=False)

    def run_model(image: Any) -> dict[str, Any]:
        pixels, shapes = detector.preprocess(tf.cast(image, tf.float32)[tf.newaxis])
        found = detector.postprocess(detector.predict(pixels, shapes), shapes)
        return {name: value[0] for name, value in found.items() if name in _WANTED}

    graph = Graph(run_model)
    graph.trace(tf.TensorSpec([None, None, 3], tf.uint8))
    status = tf.train.Checkpoint(model=detector).restore(checkpoints.readable(checkpoint))
    model.assert_filled(status, checkpoint)
    return graph


_WANTED = (
    DetectionResultFields.detection_boxes,
    DetectionResultFields.detection_classes,
    DetectionResultFields.detection_scores,
    DetectionResultFields.num_detections,
)


def _checkpoint(run: Run) -> Path:
    present = run.checkpoints()
    found = run.best_checkpoint() or (present[max(present)] if present else None)
    if found is None:
        raise JobError(f"run '{run.name}' has no checkpoint", f"Train it first: odtool train {run.name}")
    return found


def _examples(reader: Any, count: int) -> Iterator[Any]:
    """The first tf.train.Examples of a reader's files."""
    patterns = list(reader.tf_record_input_reader.input_path)
    names = sorted(name for pattern in patterns for name in tf.io.gfile.glob(pattern))
    if not names:
        raise DataError(f"{', '.join(patterns)}: no such records", "Make them with: odtool prepare SOURCE")
    for record in tf.data.TFRecordDataset(names).take(count):
        yield tf.train.Example.FromString(record.numpy())


def _image(example: Any, find: Graph, names: dict[int, str], output: Path, index: int) -> dict[str, Any]:
    values = example.features.feature
    encoded = values["image/encoded"].bytes_list.value[0]
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    height, width = int(image.shape[0]), int(image.shape[1])
    kind = next(iter(values["image/format"].bytes_list.value), b"").lower()
    picture = output.with_name(f"{output.stem}-{index}{ENDINGS.get(kind, '.jpg')}")
    picture.write_bytes(encoded)
    return {
        "source_id": _text(values["image/source_id"]),
        "filename": _text(values["image/filename"]),
        "file": picture.name,
        "width": width,
        "height": height,
        "true": _true(values, names, width, height),
        "detected": _detected(find(image), names, width, height),
    }


def _text(feature: Any) -> str:
    return str(next(iter(feature.bytes_list.value), b"").decode("utf-8", "replace"))


def _true(values: Any, names: dict[int, str], width: int, height: int) -> list[dict[str, Any]]:
    sides = [values[f"image/object/bbox/{side}"].float_list.value for side in ("xmin", "ymin", "xmax", "ymax")]
    ids = {name: number for number, name in names.items()}
    # As the decoder does: the text counts where there is one, else the number.
    texts = [text.decode("utf-8", "replace") for text in values["image/object/class/text"].bytes_list.value]
    numbers = [ids.get(text, 0) for text in texts] or list(values["image/object/class/label"].int64_list.value)
    return [
        {"label": names.get(number, str(number)), "class_id": number, "box": _pixels(box, width, height)}
        for number, box in zip(numbers, zip(*sides, strict=True), strict=True)
    ]


def _detected(found: dict[str, Any], names: dict[int, str], width: int, height: int) -> list[dict[str, Any]]:
    count = int(found[DetectionResultFields.num_detections])
    boxes = found[DetectionResultFields.detection_boxes].numpy()[:count].tolist()
    scores = found[DetectionResultFields.detection_scores].numpy()[:count].tolist()
    # Models count classes from 0, label maps from 1.
    numbers = [int(number) + 1 for number in found[DetectionResultFields.detection_classes].numpy()[:count]]
    return [
        {
            "label": names.get(number, str(number)),
            "class_id": number,
            "box": _pixels((xmin, ymin, xmax, ymax), width, height),
            "score": round(score, 4),
        }
        for number, score, (ymin, xmin, ymax, xmax) in zip(numbers, scores, boxes, strict=True)
        if score >= FEWEST
    ]


def _pixels(box: tuple[float, ...], width: int, height: int) -> list[float]:
    xmin, ymin, xmax, ymax = box
    return [round(xmin * width, 2), round(ymin * height, 2), round(xmax * width, 2), round(ymax * height, 2)]
