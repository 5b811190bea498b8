"""FiftyOne's exports: samples.json of a FiftyOneDataset, or labels.json of a FiftyOneImageDetectionDataset.

Boxes are left, top, width and height as fractions. Of several fields with detections the ground truth is read, else the
only one without confidences (docs.voxel51.com/user_guide/export_datasets.html).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from odtool.dataset.dialects import make_box
from odtool.dataset.images.masks import make_polygon
from odtool.dataset.readers.common import faults, parsing, values
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.faults import AnnotationError
from odtool.dataset.readers.common.image_lists import (
    Documents,
    ImageEntry,
    Listing,
    find_documents,
    read_long_document,
)
from odtool.dataset.readers.common.shapes import enclose_points
from odtool.dataset.readers.common.streams import input_files, json_items
from odtool.dataset.readers.common.streams.json_document import JsonDocument
from odtool.dataset.readers.common.streams.json_lines import Line
from odtool.dataset.readers.common.streams.overflow import LongList, Overflow
from odtool.dataset.splits import parse_split
from odtool.dataset.types import AnnotatedImage, Finding, ObjectAnnotation, Problem, Source

KEYS = ("classes", "labels")
_LISTS = {"Detections": "detections", "Polylines": "polylines"}
"""Classes of fields with several labels, and where these stand."""
_TRUTH = ("ground_truth", "groundtruth", "gt", "annotations")
"""What the field with people's labels is usually called."""


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as FiftyOne's, or None."""
    return find_evidence(path, ".json", _looks_like, "has FiftyOne's samples or labels with bounding_box")


def _looks_like(path: Path) -> bool:
    if path.suffix.lower() != ".json":
        return False
    text = input_files.read_ends(path)
    if b'"samples"' in text[:200]:
        return b'"filepath"' in text and b'"_cls"' in text
    return _has_labels(text)


def _has_labels(text: bytes) -> bool:
    return b'"classes"' in text and b'"labels"' in text and b'"bounding_box"' in text and b'"label"' in text


def read(source: Source) -> Iterator[Finding]:
    """Every sample of the files, one at a time where they are samples."""
    documents = find_documents(source, ".json", _looks_like)
    for file in documents.files:
        yield from faults.report_broken(_read_file, documents, file)


def _read_file(documents: Documents, file: Path) -> Iterator[AnnotatedImage | Problem]:
    if b'"samples"' in input_files.read_ends(file)[:200]:
        return json_items.read_items(documents, file, "samples", lambda _fields, _path: parse)
    return read_long_document(documents, file, parse_labels, KEYS)


def parse(sample: dict[str, Any], line: Line) -> ImageEntry | None:
    """The image of one sample; boxes are fractions. None for a sample without a field of detections.

    Raises:
        DataError: it names no image, or its labels are in several fields of which none says that it is the truth.
    """
    path = sample.get("filepath")
    if not isinstance(path, str) or not path.strip():
        raise line.error("a sample without a filepath")
    field = _choose_field(sample, line)
    if field is None:
        line.report("annotation_missing", f"{path} has no detections")
        return None
    key = _LISTS[sample[field]["_cls"]]
    labels = sample[field].get(key) or []
    if not isinstance(labels, list):
        raise line.error(f"{path}: {key} of '{field}' is not a list")
    parsed = [
        _parse_label(label, f"{path}: {key} {number} of '{field}'", line)
        for number, label in enumerate(labels, start=1)
    ]
    tags, metadata = sample.get("tags"), sample.get("metadata")
    splits = [parse_split(tag) for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    return ImageEntry(
        (path,),
        tuple(item for item in parsed if item is not None),
        values.parse_size(metadata.get("width"), metadata.get("height")) if isinstance(metadata, dict) else None,
        "fraction",
        next(filter(None, splits), None),
    )


def _choose_field(sample: dict[str, Any], line: Line) -> str | None:
    fields = [name for name, value in sample.items() if isinstance(value, dict) and str(value.get("_cls")) in _LISTS]
    if len(fields) < 2:
        return fields[0] if fields else None
    chosen = [name for name in fields if name.lower() in _TRUTH]
    chosen = chosen or [name for name in fields if not _has_confidence(sample[name])]
    if len(chosen) != 1:
        raise line.error(
            f"labels in the fields {', '.join(fields)}, of which none is called ground_truth",
            "Export one field: dataset.select_fields(...).export(...).",
        )
    line.report("entry_ignored", f"the fields {', '.join(name for name in fields if name != chosen[0])}")
    return chosen[0]


def _has_confidence(field: dict[str, Any]) -> bool:
    labels = field.get(_LISTS[field["_cls"]])
    return isinstance(labels, list) and any(isinstance(item, dict) and item.get("confidence") for item in labels)


def _parse_label(item: Any, where: str, line: Line) -> ObjectAnnotation | None:
    if not isinstance(item, dict):
        raise line.error(f"{where} is not an object")
    label, sides = values.parse_label(item.get("label")), values.parse_numbers(item.get("bounding_box"), 4)
    points = _parse_polyline(item) if sides is None else None
    if sides is None and points is None:
        values.refuse_words(item, ("bounding_box", "points"), where, line.path, line.number)
        kind = "shape_skipped" if "points" in item else "box_missing"
        line.report(kind, f"{where} ({label}) has no bounding_box of four numbers and no closed outline")
        return None
    if not label:
        line.report("label_missing", f"{where} has no label")
        return None
    box = make_box(sides, "xywh") if sides else enclose_points(points or [])
    is_crowd = item.get("iscrowd") in (1, True)
    return ObjectAnnotation(label, box, is_crowd=is_crowd, outline=make_polygon(points) if points else None)


def _parse_polyline(item: dict[str, Any]) -> list[values.Point] | None:
    """The points of a polyline that encloses an area, in one piece."""
    pieces = item.get("points")
    if not (
        isinstance(pieces, list) and len(pieces) == 1 and (item.get("closed") is True or item.get("filled") is True)
    ):
        return None
    return values.parse_points(pieces[0])


def parse_labels(document: JsonDocument, overflow: Overflow) -> Listing:
    """The labels.json of an image detection data set: for each image's name a list of boxes, as fractions.

    Raises:
        DataError: it is not as FiftyOne writes it.
    """
    path = document.path
    if not document.is_object("labels"):
        raise parsing.unexpected_json("FiftyOne", path, "has no object 'labels'")
    classes = document.read("classes")
    names = [values.parse_label(name) for name in classes] if isinstance(classes, list) else []
    problems, entries = LongList[tuple[str, str]](overflow), LongList[ImageEntry](overflow)
    for name, items in document.iterate_members("labels"):
        if not isinstance(items, list | None):
            raise parsing.unexpected_json("FiftyOne", path, f"{name}: its labels are not a list")
        line = Line(path, 0)
        found = [
            _parse_label(_name_class(item, names, path), f"{name}: box {number}", line)
            for number, item in enumerate(items or [], start=1)
        ]
        entries.append(
            ImageEntry((name,), tuple(item for item in found if item is not None), unit="fraction"), 1 + len(found)
        )
        for problem in line.problems:
            problems.append(problem)
    return Listing(entries, problems)


def _name_class(item: Any, names: list[str], path: Path) -> Any:
    """A label that is a number is the place of its name among the classes."""
    number = item.get("label") if isinstance(item, dict) else None
    if type(number) is not int or not names:
        return item
    if not 0 <= number < len(names):
        raise AnnotationError(path, f"label {str(number)[:20]} is not among its {len(names)} classes")
    return item | {"label": names[number]}
