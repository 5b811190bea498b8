"""Output manifests of SageMaker Ground Truth and Rekognition Custom Labels: a line an image, with its labelling jobs.

A job's result stands under its name, as `annotations` and `image_size`, and what its classes are called under that name
with `-metadata` (docs.aws.amazon.com/sagemaker/latest/dg/sms-data-output.html, "Bounding box job output").
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from odtool.dataset.dialects import make_box
from odtool.dataset.readers.common import faults, values
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.image_lists import ImageEntry, list_spellings
from odtool.dataset.readers.common.streams import json_lines
from odtool.dataset.readers.common.streams.json_lines import Line
from odtool.dataset.types import Finding, ObjectAnnotation, Source

_SUFFIXES = (".manifest", ".jsonl", ".json", ".ndjson")
_METADATA = "-metadata"
_SIDES = ("left", "top", "width", "height")


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as a manifest of Ground Truth, or None."""
    return find_evidence(path, _SUFFIXES, _looks_like, "has a source-ref and annotations per line")


def _looks_like(path: Path) -> bool:
    """A manifest that goes into a job has a source-ref, too, but no annotations."""
    if path.suffix.lower() not in _SUFFIXES:
        return False
    return json_lines.has_keys(path, "source-ref") and json_lines.has_keys(path, "annotations", "image_size")


def read(source: Source) -> Iterator[Finding]:
    """Every image of the manifests, one line at a time."""
    return json_lines.read_json_lines(source, _SUFFIXES, _looks_like, parse)


def parse(row: dict[str, Any], line: Line) -> ImageEntry | None:
    """The image of one line; boxes are in pixels.

    Raises:
        DataError: it names no image, or a class that the job's class-map does not have.
    """
    reference = row.get("source-ref")
    if not isinstance(reference, str) or not reference.strip():
        raise line.error("no source-ref that names the image")
    name = _choose_job(row, line)
    if name is None:
        line.report("annotation_missing", f"{reference} has no bounding boxes of a labelling job")
        return None
    result, classes = row[name], _get_metadata(row, name).get("class-map")
    objects = []
    for number, item in enumerate(result["annotations"], start=1):
        where = f"annotation {number} of '{name}'"
        sides = values.parse_fields(item, *_SIDES)
        if sides is None:
            values.refuse_words(item, _SIDES, where, line.path, line.number)
            line.report("box_missing", f"{where} has no left, top, width and height")
            continue
        if item.get("class_id") is None:
            line.report("label_missing", f"{where} has no class_id")
            continue
        label = classes.get(str(item.get("class_id"))) if isinstance(classes, dict) else None
        if not values.parse_label(label):
            what = f"{where} has class_id {item['class_id']}, which is not in its class-map"
            raise faults.undefined_class(line.path, what, line=line.number)
        objects.append(ObjectAnnotation(values.parse_label(label), make_box(sides, "xywh")))
    return ImageEntry(list_spellings(reference) or (reference,), tuple(objects), _parse_size(result.get("image_size")))


def _choose_job(row: dict[str, Any], line: Line) -> str | None:
    """The job whose boxes count: of several, as where one adjusts the boxes of another, the newest."""
    names = [
        key
        for key, value in row.items()
        if isinstance(value, dict) and isinstance(value.get("annotations"), list) and not key.endswith(_METADATA)
    ]
    if len(names) > 1:
        names.sort(key=lambda name: str(_get_metadata(row, name).get("creation-date") or ""))
        line.report("annotation_superseded", f"boxes of the jobs {', '.join(names)}; those of the newest are used")
    return names[-1] if names else None


def _get_metadata(row: dict[str, Any], name: str) -> dict[str, Any]:
    metadata = row.get(name + _METADATA)
    return metadata if isinstance(metadata, dict) else {}


def _parse_size(sizes: Any) -> tuple[int, int] | None:
    size = sizes[0] if isinstance(sizes, list) and sizes else sizes
    return values.parse_size(size.get("width"), size.get("height")) if isinstance(size, dict) else None
