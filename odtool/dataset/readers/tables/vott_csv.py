"""VoTT CSV: "image","xmin","ymin","xmax","ymax","label", a row for each tag of each region, in pixels."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from odtool.dataset.readers.common import parsing, rows
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.faults import Skipping
from odtool.dataset.readers.common.image_lists import ImageEntry, Listing, list_spellings, read_streams
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.common.streams.overflow import Overflow
from odtool.dataset.readers.tables.csv_files import CsvFile
from odtool.dataset.types import Finding, ObjectAnnotation, Source

_COLUMNS = ("image", *rows.CORNERS, "label")
_HEADER = ",".join(f'"{name}"' for name in _COLUMNS)


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as VoTT CSV, or None."""
    return find_evidence(path, ".csv", _looks_like, f"has the columns {_HEADER}")


def _looks_like(path: Path) -> bool:
    if path.suffix.lower() != ".csv":
        return False
    first = input_files.read_ends(path).split(b"\n")[0].decode("utf-8-sig", "replace")
    return set(_COLUMNS) <= set(_parse_columns(first))


def _parse_columns(line: str) -> list[str]:
    return [cell.strip().strip("\"'").strip().lower() for cell in line.strip().split(",")]


def read(source: Source) -> Iterator[Finding]:
    """Every image of the CSV files."""
    yield from read_streams(source, ".csv", _looks_like, parse)


def parse(stream: BinaryIO, path: Path, overflow: Overflow) -> Listing:
    """Parses a CSV file; `path` is only named in errors.

    A row that is short or has a coordinate that is no number is a problem; an image with no other rows is left out.

    Raises:
        AnnotationError: a column is missing, or the text is not UTF-8.
    """
    lines = rows.iterate_lines(stream, path)
    first = next(lines, "")
    columns = _parse_columns(first)
    rows.require_columns(columns, _COLUMNS, path, f"The first line should be {_HEADER}")
    # VoTT writes pixels; what was made from it by hand may be fractions, as in the tutorials' CSV.
    file = CsvFile(overflow)
    skipping = Skipping(file.problems)
    table = rows.parse_csv(chain([first], lines), path, file.problems)
    next(table)
    for line, row in table:
        with skipping:
            cells = dict(zip(columns, row, strict=True))
            if not cells["image"]:
                raise parsing.line_error(path, line, "broken CSV: no image")
            corners = [cells[name] for name in rows.CORNERS]
            # A row with a name alone is a background image.
            box = rows.parse_box(corners, path, line) if any(corners) else None
            file.add_image(cells["image"])
            if box is not None and cells["label"]:
                file.add_object(cells["image"], ObjectAnnotation(cells["label"], box))
            elif box is not None:
                file.problems.append(("label_missing", f"line {line}: a box in {cells['image']} without label"))
    return Listing(_Entries(file), file.problems)


class _Entries:
    """The images of a file, as often as they are asked for."""

    def __init__(self, file: CsvFile) -> None:
        self._file = file

    def __iter__(self) -> Iterator[ImageEntry]:
        for name, objects in self._file:
            yield ImageEntry(list_spellings(name) or (name,), objects, unit=self._file.unit)
