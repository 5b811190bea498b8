"""Labelbox's exports (version 2, NDJSON): a line a data row, with the labels of each project.

Read are bounding boxes and polygons; points, lines, masks behind URLs and classifications are told and left out
(docs.labelbox.com/reference/export-image-annotations).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from odtool.dataset.dialects import make_box
from odtool.dataset.images.masks import make_polygon
from odtool.dataset.readers.common import shapes, values
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.image_lists import ImageEntry, list_spellings
from odtool.dataset.readers.common.streams import json_lines
from odtool.dataset.readers.common.streams.json_lines import Line
from odtool.dataset.types import Finding, ObjectAnnotation, Source

_SUFFIXES = (".ndjson", ".jsonl", ".json")
_NAME_KEYS = ("external_id", "global_key", "row_data")
_SIDES = ("left", "top", "width", "height")


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as Labelbox's, or None."""
    return find_evidence(path, _SUFFIXES, _looks_like, "has a data_row with its projects per line")


def _looks_like(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and json_lines.has_keys(path, "data_row", "projects")


def read(source: Source) -> Iterator[Finding]:
    """Every data row that somebody has labelled, one line at a time."""
    return json_lines.read_json_lines(source, _SUFFIXES, _looks_like, parse)


def parse(row: dict[str, Any], line: Line) -> ImageEntry | None:
    """The image of one line; boxes are in pixels.

    Raises:
        DataError: it names no image, or is not as Labelbox writes it.
    """
    data_row, projects = row.get("data_row"), row.get("projects")
    if not isinstance(data_row, dict) or not isinstance(projects, dict):
        raise line.error("no data_row and projects, as Labelbox has them in each line")
    references = [data_row[key] for key in _NAME_KEYS if isinstance(data_row.get(key), str) and data_row[key].strip()]
    if not references:
        raise line.error(f"the data_row has neither of {', '.join(_NAME_KEYS)}")
    names = dict.fromkeys(spelling for reference in references for spelling in list_spellings(reference))
    chosen = [label for project in projects.values() if (label := _choose_label(project, line)) is not None]
    if not chosen:
        line.report("annotation_missing", f"{references[0]} has not been labelled")
        return None
    objects = tuple(item for label in chosen for item in _parse_objects(label, line))
    return ImageEntry(tuple(names), objects, _parse_size(row.get("media_attributes")))


def _choose_label(project: Any, line: Line) -> dict[str, Any] | None:
    """What one person labelled: of several, as consensus has them, the benchmark, else the newest."""
    labels = project.get("labels") if isinstance(project, dict) else None
    if not isinstance(labels, list | None):
        raise line.error("the labels of a project are not a list")
    usable = [label for label in labels or [] if isinstance(label, dict) and not _is_skipped(label)]
    if len(usable) > 1:
        usable.sort(key=_rank)
        line.report("annotation_superseded", f"{len(usable)} labels; the benchmark, else the newest, is used")
    return usable[-1] if usable else None


def _is_skipped(label: dict[str, Any]) -> bool:
    performance = label.get("performance_details")
    return isinstance(performance, dict) and performance.get("skipped") is True


def _rank(label: dict[str, Any]) -> tuple[bool, str]:
    details = label.get("label_details")
    if not isinstance(details, dict):
        return False, ""
    return details.get("is_benchmark_reference") is True, str(details.get("updated_at") or details.get("created_at"))


def _parse_objects(label: dict[str, Any], line: Line) -> Iterator[ObjectAnnotation]:
    annotations = label.get("annotations")
    items = annotations.get("objects") if isinstance(annotations, dict) else None
    if not isinstance(items, list | None):
        raise line.error("the objects of a label are not a list")
    for number, item in enumerate(items or [], start=1):
        if not isinstance(item, dict):
            raise line.error(f"object {number} of a label is not an object")
        if (annotation := _parse_object(item, f"object {number}", line)) is not None:
            yield annotation


def _parse_object(item: dict[str, Any], where: str, line: Line) -> ObjectAnnotation | None:
    label = values.parse_label(item.get("name") or item.get("value"))
    sides = values.parse_fields(item.get("bounding_box"), *_SIDES)
    points = values.parse_points(item.get("polygon"))
    if sides is None and points is None:
        values.refuse_words(item.get("bounding_box"), _SIDES, where, line.path, line.number)
        values.refuse_words(item, ("polygon",), where, line.path, line.number)
        what = str(item.get("annotation_kind") or "neither a bounding_box nor a polygon")[:40]
        kind = "box_missing" if what in ("ImageBoundingBox", "ImagePolygon") else "shape_skipped"
        line.report(kind, f"{where} ({label or 'without a name'}): {what}")
        return None
    if not label:
        line.report("label_missing", f"{where} has no name")
        return None
    if sides is not None:
        return ObjectAnnotation(label, make_box(sides, "xywh"))
    return ObjectAnnotation(label, shapes.enclose_points(points or []), outline=make_polygon(points or []))


def _parse_size(attributes: Any) -> tuple[int, int] | None:
    is_object = isinstance(attributes, dict)
    return values.parse_size(attributes.get("width"), attributes.get("height")) if is_object else None
