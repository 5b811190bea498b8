"""Vertex AI's import and export files in JSON Lines: an image of Cloud Storage and its boxes, as fractions, per line.

The fields are those of the schema image_bounding_box_io_format_1.0.0.yaml of Google Cloud's Vertex AI.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from odtool.dataset.readers.common import values
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.image_lists import ImageEntry, list_spellings
from odtool.dataset.readers.common.streams import json_lines
from odtool.dataset.readers.common.streams.json_lines import Line
from odtool.dataset.splits import parse_split
from odtool.dataset.types import Box, Finding, ObjectAnnotation, Source

_SUFFIXES = (".jsonl", ".ndjson", ".json")
_CORNERS = ("xMin", "yMin", "xMax", "yMax")
_ML_USE = ("aiplatform.googleapis.com/ml_use", "ml_use")


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as Vertex AI's JSON Lines, or None."""
    return find_evidence(path, _SUFFIXES, _looks_like, "has an imageGcsUri and boundingBoxAnnotations per line")


def _looks_like(path: Path) -> bool:
    if path.suffix.lower() not in _SUFFIXES:
        return False
    return json_lines.has_keys(path, "imageGcsUri") and json_lines.has_keys(path, "boundingBoxAnnotations")


def read(source: Source) -> Iterator[Finding]:
    """Every image of the files, one line at a time."""
    return json_lines.read_json_lines(source, _SUFFIXES, _looks_like, parse)


def parse(row: dict[str, Any], line: Line) -> ImageEntry:
    """The image of one line; boxes are fractions.

    Raises:
        DataError: it names no image, or its annotations are not a list.
    """
    reference, items = row.get("imageGcsUri"), row.get("boundingBoxAnnotations")
    if not isinstance(reference, str) or not reference.strip():
        raise line.error("no imageGcsUri that names the image")
    if not isinstance(items, list | None):
        raise line.error("boundingBoxAnnotations is not a list")
    objects = []
    for number, item in enumerate(items or [], start=1):
        corners = _parse_corners(item)
        label = values.parse_label(item.get("displayName")) if isinstance(item, dict) else ""
        if corners is None:
            values.refuse_words(item, _CORNERS, f"annotation {number}", line.path, line.number)
            line.report("box_missing", f"annotation {number} has no {', '.join(_CORNERS)}")
        elif not label:
            line.report("label_missing", f"annotation {number} has no displayName")
        else:
            objects.append(ObjectAnnotation(label, corners))
    return ImageEntry(list_spellings(reference) or (reference,), tuple(objects), unit="fraction", split=_parse_use(row))


def _parse_corners(item: Any) -> Box | None:
    """JSON made of protocol buffers leaves out what is 0, which only a box's left and top may be."""
    if not isinstance(item, dict):
        return None
    corners = values.parse_fields({"xMin": 0, "yMin": 0} | item, *_CORNERS)
    return Box(*corners) if corners else None


def _parse_use(row: dict[str, Any]) -> str | None:
    labels = row.get("dataItemResourceLabels")
    uses = [labels.get(key) for key in _ML_USE] if isinstance(labels, dict) else []
    return next((parse_split(use) for use in uses if isinstance(use, str)), None)
