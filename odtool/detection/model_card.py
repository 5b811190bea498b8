"""The model card of an export: what the model finds, how good it is, how each file is called, how it was verified."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from odtool import units
from odtool.dataset import statistics
from odtool.dataset.statistics import DatasetSummary
from odtool.errors import DataError
from odtool.workspace import Dataset

_SAVED_MODEL = """\
import numpy as np, tensorflow as tf
detect = tf.saved_model.load("saved_model").signatures["serving_default"]
outputs = detect(input_tensor=tf.constant({value}))
# detection_boxes [1, n, 4]: ymin, xmin, ymax, xmax as fractions of the image; detection_classes: ids from 1
"""
_VALUES = {
    "image_tensor": "image[np.newaxis]",
    "float_image_tensor": "image[np.newaxis].astype(np.float32)",
    "encoded_image_string_tensor": '[open("photo.jpg", "rb").read()]',
    "tf_example": "[example.SerializeToString()]",
}
_TFLITE = """\
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter("{file}")
interpreter.allocate_tensors()
(entry,) = interpreter.get_input_details()
interpreter.set_tensor(entry["index"], pixels)
interpreter.invoke()
boxes, classes, scores, count = (interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details())
# boxes [1, n, 4]: ymin, xmin, ymax, xmax as fractions of the input; classes count from 0, as the lines of labels.txt
"""
_ONNX = """\
import onnxruntime
session = onnxruntime.InferenceSession("model.onnx")
names = [output.name for output in session.get_outputs()]
outputs = dict(zip(names, session.run(None, {"input_tensor": image[np.newaxis]})))  # as the SavedModel's outputs
"""


def find_summary(label_map: Path) -> DatasetSummary | None:
    """The figures of the data set that a label map belongs to, where odtool prepared it."""
    try:
        return statistics.load(Dataset(label_map.parent))
    except DataError:  # records of another origin have no dataset.json
        return None


def render(record: Mapping[str, Any], summary: DatasetSummary | None) -> str:
    """The card as Markdown.

    Args:
        record: what export.json holds.
        summary: of the data set it was trained on, where that is known.
    """
    parts = [
        _write_heading(record),
        _write_data(record, summary),
        _write_quality(record),
        _write_thresholds(record),
        _write_files(record),
        _write_calls(record),
        _write_versions(record),
    ]
    return "\n".join(line for part in parts for line in (*part, ""))


def _write_heading(record: Mapping[str, Any]) -> Iterator[str]:
    step = f", step {record['step']:,}" if record["step"] is not None else ""
    yield f"# {record['run']}"
    yield ""
    yield f"An object detector ({record['architecture']}), exported from checkpoint {record['checkpoint']}{step}."


def _write_data(record: Mapping[str, Any], summary: DatasetSummary | None) -> Iterator[str]:
    yield "## Data set and classes"
    yield ""
    names = {int(number): name for number, name in record["labels"].items()}
    if summary is None:
        yield "| id | class |"
        yield "|---|---|"
        yield from (f"| {number} | {_escape_cell(name)} |" for number, name in sorted(names.items()))
        return
    splits = list(summary.splits)
    yield f"| id | class | {' | '.join(f'objects in {split}' for split in splits)} |"
    yield f"|---|---|{'---:|' * len(splits)}"
    for number, name in sorted(names.items()):
        counts = [f"{summary.splits[split].classes.get(name, 0):,}" for split in splits]
        yield f"| {number} | {_escape_cell(name)} | {' | '.join(counts)} |"
    yield ""
    sizes = [f"{split} {summary.splits[split].images:,}" for split in splits]
    yield f"Images: {', '.join(sizes)}."
    if summary.balance and summary.balance.repetitions:
        yield f"Training saw images of rare classes more often: {summary.balance.repetitions:,} repetitions."
    if summary.fold:
        yield f"Fold {summary.fold} of {summary.folds} of a cross-validation."


def _write_quality(record: Mapping[str, Any]) -> Iterator[str]:
    yield "## Metrics"
    yield ""
    if not record["metrics"]:
        yield f"{record['checkpoint']} was exported before it was evaluated."
        return
    names = {"mAP": "mAP@[.5:.95]", "mAP50": "mAP@.5", "AR": "AR@100"}
    yield f"Of {record['checkpoint']} at step {record['step']:,}, on the evaluation set:"
    yield ""
    yield "| metric | value |"
    yield "|---|---:|"
    yield from (f"| {names[name]} | {value:.3f} |" for name, value in record["metrics"].items())


def _write_thresholds(record: Mapping[str, Any]) -> Iterator[str]:
    """Scores from which detections are best taken; nothing where nobody has found them."""
    if not record.get("thresholds"):
        return
    yield "## Thresholds"
    yield ""
    yield "For each class the score at which F1 is highest on the evaluation images, as `--min-score best` takes it:"
    yield ""
    yield "| class | score |"
    yield "|---|---:|"
    yield from (f"| {_escape_cell(label)} | {score:g} |" for label, score in record["thresholds"].items())


def _write_files(record: Mapping[str, Any]) -> Iterator[str]:
    on = record["verified_on"]
    yield "## Files and their verification"
    yield ""
    yield "| file | size | found | confirmed | mAP | change | ms per image |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for entry in record["files"]:
        agreement = entry["agreement"]
        figures = [
            units.format_bytes(entry["bytes"]),
            f"{agreement['found']:.1%}",
            f"{agreement['confirmed']:.1%}",
            units.format_metric(entry["mAP"]),
            units.format_metric(entry["mAP_change"], sign=True),
            f"{entry['milliseconds']:.1f}",
        ]
        yield f"| {entry['file']} | {' | '.join(figures)} |"
    yield ""
    min_score = min(entry["agreement"]["min_score"] for entry in record["files"])
    yield (
        f"Each file was run in its own runtime on {on['images']} images of the {on['split']} records and compared with "
        f"the checkpoint. *Found* is the share of the checkpoint's detections (scores from {min_score:.2g}) that the "
        "file finds too, of the same class and with an IoU of at least 0.5; *confirmed* is the share of the file's "
        "detections that the checkpoint has. "
        f"The checkpoint's own mAP@[.5:.95] on these images is {units.format_metric(on['mAP'])}. "
        f"Times are medians for single images, with scaling but without decoding, on {record['machine']}."
    )


def _write_calls(record: Mapping[str, Any]) -> Iterator[str]:
    yield "## How to use it"
    yield ""
    yield "With odtool, every file is used in the same way; boxes are in pixels, classes are ids of label_map.pbtxt:"
    yield ""
    first = record["files"][0]["file"]
    yield from _format_code(
        f'import odtool\ndetector = odtool.load_detector("{first}")\n'
        '(found,) = detector.detect(["photo.jpg"], min_score=0.5)\n'
        "print(found.boxes, found.scores, [detector.labels[number] for number in found.classes])\n"
    )
    yield ""
    yield "Without odtool, where `image` holds the pixels [height, width, 3], uint8, RGB:"
    for entry in _first_of_each_format(record["files"]):
        yield ""
        for file in record["files"]:
            if file["format"] == entry["format"]:
                yield f"- {file['label']} (`{file['file']}`). {_describe_input(record, file)}"
        yield ""
        yield from _format_code(_write_snippet(record, entry))


def _first_of_each_format(files: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The files of one format are called alike."""
    return list({entry["format"]: entry for entry in reversed(files)}.values())[::-1]


def _describe_input(record: Mapping[str, Any], file: Mapping[str, Any]) -> str:
    entry = file["input"]
    if file["format"] != "tflite":
        kind = record["input_type"] if file["format"] == "savedmodel" else "image_tensor"
        return f"Input: {kind}, images of any size; the model scales and normalises them."
    verbs = {
        "stretch": "scaled",
        "pad": "scaled with its aspect ratio kept and padded with zeros on the right and below",
    }
    description = (
        f"`pixels` is the image {verbs[entry['resize']]} to {entry['width']}x{entry['height']}, [1, height, width, 3]"
    )
    if entry["dtype"] == "uint8":
        return f"{description}, uint8, not normalised."
    mean, deviation = _shorten(entry["mean"]), _shorten(entry["deviation"])
    return f"{description}, as float32 `(pixels - {mean}) / {deviation}`."


def _write_snippet(record: Mapping[str, Any], file: Mapping[str, Any]) -> str:
    if file["format"] == "tflite":
        return _TFLITE.format(file=file["file"])
    return _ONNX if file["format"] == "onnx" else _SAVED_MODEL.format(value=_VALUES[record["input_type"]])


def _write_versions(record: Mapping[str, Any]) -> Iterator[str]:
    yield "## Versions"
    yield ""
    yield ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    yield ""
    yield f"Exported {record['created']}. export.json has the same for programs."


def _format_code(text: str) -> Iterator[str]:
    yield "```python"
    yield text.rstrip("\n")
    yield "```"


def _shorten(values: Sequence[float]) -> str:
    """One number where all channels have the same."""
    return f"{values[0]:g}" if len(set(values)) == 1 else f"[{', '.join(f'{value:g}' for value in values)}]"


def _escape_cell(text: str) -> str:
    """A name as text of a table: Markdown would take a class named <script> for HTML."""
    return html.escape(" ".join(text.split()), quote=False).replace("|", "\\|")
