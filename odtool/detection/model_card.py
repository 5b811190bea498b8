"""The model card of an export: what the model finds, how good it is, how each file is called, how it was verified."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from odtool.dataset import statistics
from odtool.dataset.statistics import DatasetSummary
from odtool.errors import DataError
from odtool.quantities import format_bytes, format_metric
from odtool.workspace import Dataset

_SAVED_MODEL = """\
import numpy as np, tensorflow as tf
detect = tf.saved_model.load("saved_model").signatures["serving_default"]
found = detect(input_tensor=tf.constant({value}))
# detection_boxes [1, n, 4]: ymin, xmin, ymax, xmax in shares of the image; detection_classes: ids from 1
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
boxes, classes, scores, count = (interpreter.get_tensor(each["index"]) for each in interpreter.get_output_details())
# boxes [1, n, 4]: ymin, xmin, ymax, xmax in shares of the input; classes count from 0, the lines of labels.txt
"""
_ONNX = """\
import onnxruntime
session = onnxruntime.InferenceSession("model.onnx")
names = [output.name for output in session.get_outputs()]
found = dict(zip(names, session.run(None, {"input_tensor": image[np.newaxis]})))  # as the SavedModel's outputs
"""


def summary_beside(label_map: Path) -> DatasetSummary | None:
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
        _heading(record),
        _data(record, summary),
        _quality(record),
        _files(record),
        _calling(record),
        _versions(record),
    ]
    return "\n".join(line for part in parts for line in (*part, ""))


def _heading(record: Mapping[str, Any]) -> Iterator[str]:
    step = f", step {record['step']:,}" if record["step"] is not None else ""
    yield f"# {record['run']}"
    yield ""
    yield f"An object detector ({record['architecture']}), exported from checkpoint {record['checkpoint']}{step}."


def _data(record: Mapping[str, Any], summary: DatasetSummary | None) -> Iterator[str]:
    yield "## Data set and classes"
    yield ""
    names = {int(number): name for number, name in record["labels"].items()}
    if summary is None:
        yield "| id | class |"
        yield "|---|---|"
        yield from (f"| {number} | {_cell(name)} |" for number, name in sorted(names.items()))
        return
    splits = list(summary.splits)
    yield f"| id | class | {' | '.join(f'objects in {split}' for split in splits)} |"
    yield f"|---|---|{'---:|' * len(splits)}"
    for number, name in sorted(names.items()):
        counts = [f"{summary.splits[split].classes.get(name, 0):,}" for split in splits]
        yield f"| {number} | {_cell(name)} | {' | '.join(counts)} |"
    yield ""
    told = [f"{split} {summary.splits[split].images:,}" for split in splits]
    yield f"Images: {', '.join(told)}."


def _quality(record: Mapping[str, Any]) -> Iterator[str]:
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


def _files(record: Mapping[str, Any]) -> Iterator[str]:
    on = record["verified_on"]
    yield "## Files and their verification"
    yield ""
    yield "| file | size | found | confirmed | mAP | change | ms per image |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for each in record["files"]:
        agreement = each["agreement"]
        figures = [
            format_bytes(each["bytes"]),
            f"{agreement['found']:.1%}",
            f"{agreement['confirmed']:.1%}",
            format_metric(each["mAP"]),
            format_metric(each["mAP_change"], sign=True),
            f"{each['milliseconds']:.1f}",
        ]
        yield f"| {each['file']} | {' | '.join(figures)} |"
    yield ""
    least = min(each["agreement"]["min_score"] for each in record["files"])
    yield (
        f"Each file was run in its own runtime on {on['images']} images of the {on['split']} records and compared with "
        f"the checkpoint. *Found* is the share of the checkpoint's detections (score of at least {least:.2g}) that the "
        "file finds too, of the same class and with an IoU of at least 0.5; *confirmed* is the share of the file's "
        "detections that the checkpoint has. "
        f"The checkpoint's own mAP@[.5:.95] on these images is {format_metric(on['mAP'])}. "
        f"Times are medians for single images, scaling included and decoding not, on {record['machine']}."
    )


def _calling(record: Mapping[str, Any]) -> Iterator[str]:
    yield "## How to call it"
    yield ""
    yield "With odtool, any of the files in the same way; boxes are in pixels, classes are ids of label_map.pbtxt:"
    yield ""
    first = record["files"][0]["file"]
    yield from _code(
        f'import odtool\ndetector = odtool.load_detector("{first}")\n'
        '(found,) = detector.detect(["photo.jpg"], min_score=0.5)\n'
        "print(found.boxes, found.scores, [detector.labels[number] for number in found.classes])\n"
    )
    yield ""
    yield "Without it, `image` being the pixels [height, width, 3], uint8, RGB:"
    for each in _first_of_each_format(record["files"]):
        yield ""
        for file in record["files"]:
            if file["format"] == each["format"]:
                yield f"- {file['label']} (`{file['file']}`). {_input(record, file)}"
        yield ""
        yield from _code(_snippet(record, each))


def _first_of_each_format(files: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The files of one format are called alike."""
    return list({each["format"]: each for each in reversed(files)}.values())[::-1]


def _input(record: Mapping[str, Any], file: Mapping[str, Any]) -> str:
    entry = file["input"]
    if file["format"] != "tflite":
        kind = record["input_type"] if file["format"] == "savedmodel" else "image_tensor"
        return f"Input: {kind}, images of any size; scaling and normalising are inside."
    kept = {"stretch": "scaled", "pad": "scaled with its shape kept and padded right and below with zeros"}
    told = f"`pixels` is the image {kept[entry['resize']]} to {entry['width']}x{entry['height']}, [1, height, width, 3]"
    if entry["dtype"] == "uint8":
        return f"{told}, uint8, not normalised."
    mean, deviation = _short(entry["mean"]), _short(entry["deviation"])
    return f"{told}, as float32 `(pixels - {mean}) / {deviation}`."


def _snippet(record: Mapping[str, Any], file: Mapping[str, Any]) -> str:
    if file["format"] == "tflite":
        return _TFLITE.format(file=file["file"])
    return _ONNX if file["format"] == "onnx" else _SAVED_MODEL.format(value=_VALUES[record["input_type"]])


def _versions(record: Mapping[str, Any]) -> Iterator[str]:
    yield "## Versions"
    yield ""
    yield ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    yield ""
    yield f"Exported {record['created']}. export.json holds all of this for programs."


def _code(text: str) -> Iterator[str]:
    yield "```python"
    yield text.rstrip("\n")
    yield "```"


def _short(values: Sequence[float]) -> str:
    """One number where all channels have the same."""
    return f"{values[0]:g}" if len(set(values)) == 1 else f"[{', '.join(f'{value:g}' for value in values)}]"


def _cell(text: str) -> str:
    """A name as text of a table: Markdown would take a class named <script> for HTML."""
    return html.escape(" ".join(text.split()), quote=False).replace("|", "\\|")
