"""Ultralytics' NDJSON: a line with the classes, then an image per line, its labels as rows of numbers, as in YOLO.

The lines are those that convert_ndjson_to_yolo of ultralytics/data/converter.py reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from odtool.dataset.images.masks import make_polygon
from odtool.dataset.readers.common import faults, parsing, values
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.faults import NoBoxesError
from odtool.dataset.readers.common.image_lists import Documents, ImageEntry, find_documents, list_spellings
from odtool.dataset.readers.common.shapes import enclose_points
from odtool.dataset.readers.common.streams import json_lines
from odtool.dataset.readers.common.streams.json_lines import Line
from odtool.dataset.splits import parse_split
from odtool.dataset.types import AnnotatedImage, Box, Finding, ObjectAnnotation, Outline, Problem, Source

_SUFFIXES = (".ndjson", ".jsonl", ".json")
_CORNERS = ("segments", "obb")
"""Labels that are a class and the corners of a shape."""
_CENTRED = ("boxes", "pose")
"""Labels that are a class, a centre, width and height, and perhaps keypoints."""


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as Ultralytics' NDJSON, or None."""
    return find_evidence(path, _SUFFIXES, _looks_like, "begins with the data set's task and class_names")


def _looks_like(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and json_lines.has_keys(path, "type", "task", "class_names")


def read(source: Source) -> Iterator[Finding]:
    """Every image of the files, one line at a time.

    Raises:
        DataError: a file is not for detection, or broken.
    """
    documents = find_documents(source, _SUFFIXES, _looks_like)
    for file in documents.files:
        yield from faults.report_broken(_read_file, documents, file)


def _read_file(documents: Documents, file: Path) -> Iterator[AnnotatedImage | Problem]:
    lines = json_lines.read_lines(file)
    number, line = next(lines, (1, b"{}"))
    names, unnamed = parse_header(json_lines.parse_row(line, file, number), file), set[int]()
    yield from json_lines.read_entries(documents, file, lines, partial(parse, names, unnamed))
    for number in sorted(unnamed):
        yield Problem("class_unnamed", file, f"class_names has no class {number}")


def parse_header(row: dict[str, Any], path: Path) -> dict[int, str]:
    """Class names by number, as the first line has them.

    Raises:
        DataError: the line is not of a data set with boxes.
    """
    task, names = row.get("task", "detect"), row.get("class_names")
    if task in ("classify", "depth", "semantic"):
        raise NoBoxesError(f"{path}: no bounding boxes: its task is '{task}'", "Detection needs boxes.", path)
    pairs = names.items() if isinstance(names, dict) else enumerate(names) if isinstance(names, list) else None
    if pairs is None:
        raise parsing.line_error(path, 1, "no class_names, as the first line of Ultralytics' NDJSON has them")
    classes = {str(number): values.parse_label(name) for number, name in pairs}
    if not all(number.isdecimal() and len(number) < 10 and name for number, name in classes.items()):
        raise parsing.line_error(path, 1, "class_names has something else than names by number")
    return {int(number): name for number, name in classes.items()}


def parse(names: dict[int, str], unnamed: set[int], row: dict[str, Any], line: Line) -> ImageEntry:
    """The image of one line; boxes are fractions. Classes that `names` does not have are put into `unnamed`.

    Raises:
        DataError: it names no image, or its labels are not rows of numbers.
    """
    file, url, split = row.get("file"), row.get("url"), row.get("split")
    if not isinstance(file, str) or not file.strip():
        raise line.error("no 'file' that names the image")
    places = [f"images/{split}/{file}"] if isinstance(split, str) else []
    references = [*places, file, *(list_spellings(url) if isinstance(url, str) else ())]
    annotations = row.get("annotations") or {}
    if not isinstance(annotations, dict):
        raise line.error("annotations is not an object with lists")
    kind = next((key for key in (*_CENTRED, *_CORNERS) if key in annotations), None)
    objects = [] if kind is None else list(_parse_labels(annotations[kind], kind, names, unnamed, line))
    return ImageEntry(
        tuple(dict.fromkeys(references)),
        tuple(objects),
        values.parse_size(row.get("width"), row.get("height")),
        "fraction",
        parse_split(split) if isinstance(split, str) else None,
    )


def _parse_labels(
    labels: Any, kind: str, names: dict[int, str], unnamed: set[int], line: Line
) -> Iterator[ObjectAnnotation]:
    if not isinstance(labels, list):
        raise line.error(f"{kind} is not a list")
    for label in labels:
        numbers = values.parse_numbers(label, len(label)) if isinstance(label, list) else None
        shape = _make_shape(numbers[1:], kind) if numbers else None
        if numbers is None or shape is None or not (numbers[0].is_integer() and numbers[0] >= 0):
            raise line.error(f"{kind} has something else than a class and its numbers: {str(label)[:60]}")
        number = int(numbers[0])
        if number not in names:
            unnamed.add(number)
        yield ObjectAnnotation(names.get(number, str(number)), shape[0], outline=shape[1])
    if kind == "pose" and labels:
        line.report("keypoints_dropped", f"{len(labels)} objects with keypoints")


def _make_shape(numbers: tuple[float, ...], kind: str) -> tuple[Box, Outline | None] | None:
    if kind in _CENTRED:
        if len(numbers) < 4 or (kind == "boxes" and len(numbers) > 5):  # a fifth number is a score
            return None
        x, y, width, height = numbers[:4]
        return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2), None
    points = list(zip(numbers[::2], numbers[1::2], strict=False))
    if len(numbers) % 2 or len(points) < 3:
        return None
    return enclose_points(points), make_polygon(points)
