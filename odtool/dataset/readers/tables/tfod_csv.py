"""The CSV of the TensorFlow object detection tutorials: filename,width,height,class,xmin,ymin,xmax,ymax."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from odtool.dataset.readers.common import parsing, rows
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.faults import Skipping
from odtool.dataset.readers.common.image_lists import find_documents
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.common.streams.overflow import Overflow
from odtool.dataset.readers.tables.csv_files import CsvFile, read_csv_files
from odtool.dataset.types import Finding, ObjectAnnotation, Source

_NEEDED = ("filename", "class", *rows.CORNERS)
_ALSO = {
    "filename": ("file_name", "image", "image_name", "image_path", "img_path", "path", "file", "image_id"),
    "class": ("label", "class_name", "label_name", "category", "category_name", "name"),
    "xmin": ("x_min", "x1"),
    "ymin": ("y_min", "y1"),
    "xmax": ("x_max", "x2"),
    "ymax": ("y_max", "y2"),
    "width": ("image_width", "img_width"),
    "height": ("image_height", "img_height"),
}
"""What the columns are called where people write such files themselves."""
HEADER = ",".join(("filename", "width", "height", "class", *rows.CORNERS))
"""The first line, as the tutorials have it."""


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as the tutorials' CSV, or None."""
    return find_evidence(path, ".csv", _looks_like, f"has columns for {', '.join(_NEEDED)}", samples=None)


def _looks_like(path: Path) -> bool:
    if path.suffix.lower() != ".csv":
        return False
    first = input_files.read_ends(path).split(b"\n")[0].decode("utf-8-sig", "replace")
    return set(_NEEDED) <= set(_parse_columns(first)[0])


def _parse_columns(line: str) -> tuple[list[str], str]:
    """The tutorials' names of the columns, and the delimiter; spreadsheets of some countries write semicolons."""
    delimiter = max(",;\t", key=line.count)
    cells = [cell.strip().strip("\"'").lower() for cell in line.strip().split(delimiter)]
    for name, synonyms in _ALSO.items():
        if name not in cells and (synonym := next(filter(cells.__contains__, synonyms), None)):
            cells[cells.index(synonym)] = name
    return cells, delimiter


def read(source: Source) -> Iterator[Finding]:
    """Every image of the CSV files. A file for all beside files for splits is left out where it says the same again."""
    return read_csv_files(find_documents(source, ".csv", _looks_like), parse, dialect="tfod_csv")


def parse(stream: BinaryIO, path: Path, overflow: Overflow) -> CsvFile:
    """Parses a CSV file; `path` is only named in errors.

    Coordinates are fractions where those of the whole file are about 1 at most, else pixels. A row that is short or
    has a coordinate that is no number is a problem; an image with no other rows is left out.

    Raises:
        AnnotationError: a column is missing, or the text is not UTF-8.
    """
    lines = rows.iterate_lines(stream, path)
    first = next(lines, "")
    columns, delimiter = _parse_columns(first)
    rows.require_columns(columns, _NEEDED, path, f"The first line should be {HEADER}")
    at = {name: columns.index(name) for name in columns}
    file = CsvFile(overflow)
    skipping = Skipping(file.problems)
    table = rows.parse_csv(chain([first], lines), path, file.problems, delimiter=delimiter, extra_cells=True)
    next(table)
    for line, row in table:
        with skipping:
            name = row[at["filename"]]
            if not name:
                raise parsing.line_error(path, line, "broken CSV: no file name")
            label, corners = row[at["class"]], [row[at[corner]] for corner in rows.CORNERS]
            # A row with a name alone is a background image.
            has_box = bool(label) or any(corners)
            corners = [_use_decimal_point(corner, delimiter) for corner in corners]
            box = rows.parse_box(corners, path, line) if has_box else None
            file.add_image(name)
            if (size := _parse_size(row, at)) is not None:
                file.add_size(name, size)
            if box is not None and label:
                file.add_object(name, ObjectAnnotation(label, box))
            elif box is not None:
                file.problems.append(("label_missing", f"line {line}: a box in {name} without a class"))
    return file


def _use_decimal_point(number: str, delimiter: str) -> str:
    """Where cells are parted by semicolons, numbers may have a decimal comma."""
    return number if delimiter == "," else number.replace(",", ".")


def _parse_size(row: list[str], at: dict[str, int]) -> tuple[int, int] | None:
    try:
        width, height = int(float(row[at["width"]])), int(float(row[at["height"]]))
    except (KeyError, ValueError, OverflowError):
        return None  # only compared with the image's own, which is what counts
    return (width, height) if width > 0 and height > 0 else None
