"""CSV of Vertex AI and AutoML Vision: use,image,label and two or four corners as fractions, without a header.

A row is [ML_USE,]GCS_FILE_PATH,LABEL,X_MIN,Y_MIN,,,X_MAX,Y_MAX,, or all four vertices from the top left clockwise
(cloud.google.com/vertex-ai/docs/image-data/object-detection/prepare-data).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import parsing, rows
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.faults import AnnotationError, Skipping
from odtool.dataset.readers.common.image_lists import find_documents, list_spellings
from odtool.dataset.readers.common.shapes import enclose_points
from odtool.dataset.readers.common.streams.overflow import Overflow
from odtool.dataset.readers.tables.csv_files import CsvFile, read_csv_files
from odtool.dataset.splits import parse_split
from odtool.dataset.types import Box, Finding, ObjectAnnotation, Source

_USES = ("train", "training", "validate", "validation", "test", "unassigned", "")
_SPLITS = {"validate": "val"}
_NUMBERS = 8
_SHAPE = "[use,]image,label,x_min,y_min,,,x_max,y_max,,"
_MOST = 1.0001
"""A fraction, and what rounding may add to it."""


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as Vertex AI's CSV, or None."""
    return find_evidence(path, ".csv", _looks_like, f"has rows of {_SHAPE} with fractions", samples=None)


def _looks_like(path: Path) -> bool:
    """One of the first lines has a box, and most are of this shape."""
    if path.suffix.lower() != ".csv" or not rows.are_mostly(path, lambda line: _try_row(line) is not None):
        return False
    return any((row := _try_row(line)) is not None and row[3] for line in rows.read_opening(path) if line.strip())


def _try_row(line: str) -> tuple[str, str, str, list[str]] | None:
    try:
        return _parse_row(rows.parse_cells(line.strip(), Path(), 1))
    except AnnotationError:
        return None


def _parse_row(cells: Sequence[str]) -> tuple[str, str, str, list[str]] | None:
    """Use, image, label and eight cells of corners, none for an image without objects; None for another row."""
    has_use = len(cells) > 1 and cells[0].lower() in _USES and not cells[0].lower().endswith(EXTENSIONS)
    use, rest = (cells[0].lower(), list(cells[1:])) if has_use else ("", list(cells))
    if not rest or not (rest[0].startswith("gs://") or rest[0].lower().endswith(EXTENSIONS)):
        return None
    image, label, corners = rest[0], rest[1] if len(rest) > 1 else "", rest[2:]
    if not label and not any(corners):
        return use, image, "", []
    corners += [""] * (_NUMBERS - len(corners))
    if len(corners) != _NUMBERS or not all(corners[place] for place in (0, 1, 4, 5)):
        return None
    fits = all(not cell or (rows.is_number(cell) and 0 <= float(cell) <= _MOST) for cell in corners)
    return (use, image, label, corners) if label and fits else None


def read(source: Source) -> Iterator[Finding]:
    """Every image of the CSV files."""
    return read_csv_files(find_documents(source, ".csv", _looks_like), parse)


def parse(stream: BinaryIO, path: Path, overflow: Overflow) -> CsvFile:
    """Parses a CSV file; `path` is only named in errors."""
    file = CsvFile(overflow, "fraction")
    for number, line in enumerate(rows.iterate_lines(stream, path), start=1):
        if not line.strip():
            continue
        with Skipping(file.problems):
            row = _parse_row(rows.parse_cells(line.strip(), path, number))
            if row is None:
                raise parsing.line_error(path, number, f"broken CSV: a row is {_SHAPE}, with fractions")
            use, reference, label, corners = row
            name = next(iter(list_spellings(reference)), reference)
            file.add_image(name)
            if split := _SPLITS.get(use) or parse_split(use):
                file.splits.setdefault(name, split)
            if corners:
                file.add_object(name, ObjectAnnotation(label, _make_box(corners)))
    return file


def _make_box(corners: Sequence[str]) -> Box:
    """Around two or four vertices."""
    numbers = [float(cell) if cell else None for cell in corners]
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return enclose_points((x, y) for x, y in pairs if x is not None and y is not None)
