"""Edge Impulse's bounding_boxes.labels, and the info.labels of its exports: boxes in pixels by the names of the images.

The fields are those of docs.edgeimpulse.com, "Uploading data: bounding boxes", and of the exporter's info.labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from odtool.dataset.dialects import make_box
from odtool.dataset.readers.common import faults, parsing, values
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.image_lists import ImageEntry, Listing, read_documents
from odtool.dataset.splits import parse_split
from odtool.dataset.types import Finding, ObjectAnnotation, Source

_TOOL = "Edge Impulse"
_SUFFIXES = (".labels", ".json")
_SIDES = ("x", "y", "width", "height")


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as Edge Impulse's, or None."""
    return find_evidence(path, _SUFFIXES, _looks_like, "has Edge Impulse's boundingBoxes")


def _looks_like(path: Path) -> bool:
    if path.suffix.lower() not in _SUFFIXES:
        return False
    text = parsing.read_ends(path)
    has_boxes = b'"boundingBoxes"' in text
    return has_boxes and (b'"bounding-box-labels"' in text or (b'"files"' in text and b'"category"' in text))


def read(source: Source) -> Iterator[Finding]:
    """Every image of the files."""
    return read_documents(source, _SUFFIXES, _looks_like, parse)


def parse(data: bytes, path: Path) -> Listing:
    """Parses a file's bytes; `path` is only named in errors. Boxes are in pixels.

    Raises:
        DataError: it is not JSON, or not as Edge Impulse writes it.
    """
    document = parsing.parse_json(data, path)
    boxes, files = (
        (document.get(key) for key in ("boundingBoxes", "files")) if isinstance(document, dict) else (None, None)
    )
    problems: list[tuple[str, str]] = []
    if isinstance(boxes, dict):
        items: list[Any] = [{"path": name, "boundingBoxes": boxes_of_file} for name, boxes_of_file in boxes.items()]
    elif isinstance(files, list):
        items = files
    else:
        raise parsing.unexpected_json(_TOOL, path, "has neither boundingBoxes by file nor a list of files")
    entries = faults.parse_each(items, lambda number, item: _parse_file(item, number, path, problems), problems)
    return Listing(tuple(entries), tuple(problems))


def _parse_file(item: Any, number: int, path: Path, problems: list[tuple[str, str]]) -> ImageEntry | None:
    """A file of an export; None where nobody has labelled it, or it is no image."""
    name = values.parse_label(item.get("path") or item.get("name")) if isinstance(item, dict) else ""
    if not name:
        raise parsing.unexpected_json(_TOOL, path, f"file {number} has neither path nor name")
    label, boxes = item.get("label"), item.get("boundingBoxes")
    is_labelled = not (isinstance(label, dict) and label.get("type") == "unlabeled")
    if not boxes and not is_labelled and not isinstance(boxes, list):
        problems.append(("annotation_missing", f"{name} has not been labelled"))
        return None
    category, before = values.parse_label(item.get("category")), len(problems)
    objects = _parse_boxes(boxes or [], name, path, problems)
    if faults.is_nothing_left(objects, problems[before:]):
        return None
    return ImageEntry((name,), objects, split=parse_split(category))


def _parse_boxes(items: Any, name: str, path: Path, problems: list[tuple[str, str]]) -> tuple[ObjectAnnotation, ...]:
    if not isinstance(items, list):
        raise parsing.unexpected_json(_TOOL, path, f"{name}: its boxes are not a list")

    def parse_box(number: int, item: Any) -> ObjectAnnotation | None:
        sides = values.parse_fields(item, *_SIDES)
        label = values.parse_label(item.get("label")) if isinstance(item, dict) else ""
        if sides is None:
            values.refuse_words(item, _SIDES, f"{name}: box {number}", path)
            problems.append(("box_missing", f"{name}: box {number} has no {', '.join(_SIDES)}"))
            return None
        if not label:
            problems.append(("label_missing", f"{name}: box {number} has no label"))
            return None
        return ObjectAnnotation(label, make_box(sides, "xywh"))

    return tuple(faults.parse_each(items, parse_box, problems))
