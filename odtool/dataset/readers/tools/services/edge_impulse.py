"""Edge Impulse's bounding_boxes.labels, and the info.labels of its exports: boxes in pixels by the names of the images.

The fields are those of docs.edgeimpulse.com, "Uploading data: bounding boxes", and of the exporter's info.labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from odtool.dataset.dialects import make_box
from odtool.dataset.readers.common import faults, parsing, values
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.image_lists import (
    Documents,
    ImageEntry,
    Listing,
    find_documents,
    parse_objects,
    read_long_document,
)
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.common.streams.json_document import JsonDocument
from odtool.dataset.readers.common.streams.overflow import LongList, Overflow
from odtool.dataset.splits import parse_split
from odtool.dataset.types import AnnotatedImage, Finding, ObjectAnnotation, Problem, Source

_TOOL = "Edge Impulse"
KEYS = ("boundingBoxes", "files")
_SUFFIXES = (".labels", ".json")
_EXPORT = "info.labels"
_SIDES = ("x", "y", "width", "height")


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as Edge Impulse's, or None."""
    return find_evidence(path, _SUFFIXES, _looks_like, "has Edge Impulse's boundingBoxes")


def _looks_like(path: Path) -> bool:
    if path.suffix.lower() not in _SUFFIXES:
        return False
    text = input_files.read_ends(path)
    has_boxes = b'"boundingBoxes"' in text
    return has_boxes and (b'"bounding-box-labels"' in text or (b'"files"' in text and b'"category"' in text))


def read(source: Source) -> Iterator[Finding]:
    """Every image of the files; boxes of a folder that an export's info.labels has, too, are left out."""
    documents = find_documents(source, _SUFFIXES, _looks_like)
    image_paths: set[str] = set()
    for file in sorted(documents.files, key=lambda file: file.name != _EXPORT):
        yield from faults.report_broken(_read_file, file, documents, image_paths)


def _read_file(file: Path, documents: Documents, image_paths: set[str]) -> Iterator[AnnotatedImage | Problem]:
    """The images of one file, whose paths are added to those that were read before."""
    if file.name != _EXPORT and image_paths:
        found = read_long_document(documents, file, parse, KEYS)
        images = {str(item.path) for item in found if isinstance(item, AnnotatedImage)}
        if images and images <= image_paths:
            yield Problem("file_skipped", file, f"its images are in {_EXPORT}")
            return
    for item in read_long_document(documents, file, parse, KEYS):
        if isinstance(item, AnnotatedImage):
            image_paths.add(str(item.path))
        yield item


def parse(document: JsonDocument, overflow: Overflow) -> Listing:
    """The images of a document. Boxes are in pixels.

    Raises:
        DataError: it is not as Edge Impulse writes it.
    """
    path, problems, entries = document.path, LongList[tuple[str, str]](overflow), LongList[ImageEntry](overflow)
    own: list[tuple[str, str]] = []
    parsed: Iterator[ImageEntry | None]
    if document.is_object("boundingBoxes"):
        members = document.iterate_members("boundingBoxes")
        parsed = (_make_entry(items, name, None, path, own) for name, items in members)
    elif document.is_list("files"):
        numbered = enumerate(document.iterate("files"), start=1)
        parsed = (_parse_file(item, number, path, own) for number, item in numbered)
    else:
        raise parsing.unexpected_json(_TOOL, path, "has neither boundingBoxes by file nor a list of files")
    for entry in parsed:
        if entry is not None:
            entries.append(entry, 1 + len(entry.objects))
        for problem in own:
            problems.append(problem)
        own.clear()
    return Listing(entries, problems)


def _parse_file(item: Any, number: int, path: Path, problems: list[tuple[str, str]]) -> ImageEntry | None:
    """A file of an export; None where nobody has labelled it."""
    name = values.parse_label(item.get("path") or item.get("name")) if isinstance(item, dict) else ""
    if not name:
        raise parsing.unexpected_json(_TOOL, path, f"file {number} has neither path nor name")
    label, boxes = item.get("label"), item.get("boundingBoxes")
    is_labelled = not (isinstance(label, dict) and label.get("type") == "unlabeled")
    if boxes is None and not is_labelled:
        problems.append(("annotation_missing", f"{name} has not been labelled"))
        return None
    return _make_entry(boxes or [], name, parse_split(values.parse_label(item.get("category"))), path, problems)


def _make_entry(
    items: Any, name: str, split: str | None, path: Path, problems: list[tuple[str, str]]
) -> ImageEntry | None:
    if not isinstance(items, list):
        raise parsing.unexpected_json(_TOOL, path, f"{name}: its boxes are not a list")
    objects = parse_objects(items, partial(_parse_box, name, path, problems), problems)
    return None if objects is None else ImageEntry((name,), objects, split=split)


def _parse_box(
    name: str, path: Path, problems: list[tuple[str, str]], item: Any, number: int
) -> ObjectAnnotation | None:
    where = f"{name}: box {number}"
    values.refuse_words(item, _SIDES, where, path)
    sides = values.parse_fields(item, *_SIDES)
    label = values.parse_label(item.get("label")) if isinstance(item, dict) else ""
    if sides is None:
        problems.append(("box_missing", f"{where} has no {', '.join(_SIDES)}"))
        return None
    if not label:
        problems.append(("label_missing", f"{where} has no label"))
        return None
    return ObjectAnnotation(label, make_box(sides, "xywh"))
