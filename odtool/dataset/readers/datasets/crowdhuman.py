"""CrowdHuman's .odgt files: an image and its people per line, each with a full, a visible and a head box.

The full box (fbox) is read, as the benchmark is evaluated by it. What is tagged "mask" (crowds, reflections, posters)
or to be ignored is no person (crowdhuman.org/download.html).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from odtool.dataset.dialects import make_box
from odtool.dataset.readers.common import values
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.image_lists import ImageEntry
from odtool.dataset.readers.common.streams import json_lines
from odtool.dataset.readers.common.streams.json_lines import Line
from odtool.dataset.types import Finding, ObjectAnnotation, Source

_SUFFIXES = (".odgt", ".jsonl", ".json")


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as CrowdHuman's, or None."""
    return find_evidence(path, _SUFFIXES, _looks_like, "has an ID and gtboxes per line")


def _looks_like(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and json_lines.has_keys(path, "ID", "gtboxes")


def read(source: Source) -> Iterator[Finding]:
    """Every image of the files, one line at a time."""
    return json_lines.read_json_lines(source, _SUFFIXES, _looks_like, parse)


def parse(row: dict[str, Any], line: Line) -> ImageEntry:
    """The image of one line; boxes are in pixels, and may reach beyond the image.

    Raises:
        DataError: it names no image, or its boxes are not a list of objects.
    """
    name, items = row.get("ID"), row.get("gtboxes")
    if not isinstance(name, str) or not name.strip():
        raise line.error("no ID that names the image")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise line.error("gtboxes is not a list of objects")
    objects = []
    for number, item in enumerate(items, start=1):
        tag, extra = values.parse_label(item.get("tag")), item.get("extra")
        if tag == "mask" or (isinstance(extra, dict) and extra.get("ignore") == 1):
            line.report("object_ignored", f"box {number} ({tag})")
        elif (sides := values.parse_numbers(item.get("fbox"), 4)) is None:
            values.refuse_words(item, ("fbox",), f"box {number}", line.path, line.number)
            line.report("box_missing", f"box {number} has no fbox of four numbers")
        elif not tag:
            line.report("label_missing", f"box {number} has no tag")
        else:
            occluded = isinstance(extra, dict) and extra.get("occ") == 1
            objects.append(ObjectAnnotation(tag, make_box(sides, "xywh"), occluded=occluded))
    return ImageEntry((name.strip(),), tuple(objects))
