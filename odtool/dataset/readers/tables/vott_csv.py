"""VoTT CSV: "image","xmin","ymin","xmax","ymax","label", a row for each tag of each region, in pixels."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from odtool.dataset.readers.common import parsing
from odtool.dataset.readers.common.image_lists import Entry, Listing, documents_of, first_like, spellings
from odtool.dataset.readers.common.shapes import unit_of
from odtool.dataset.types import Box, Finding, ObjectAnnotation, Source

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_COLUMNS = ("image", *_CORNERS, "label")
_HEADER = ",".join(f'"{name}"' for name in _COLUMNS)


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as VoTT CSV, or None."""
    found = first_like(path, ".csv", _looks_like)
    return f"{found} has the columns {_HEADER}" if found else None


def _looks_like(path: Path) -> bool:
    if path.suffix.lower() != ".csv":
        return False
    first = parsing.ends(path).split(b"\n")[0].decode("utf-8-sig", "replace")
    return set(_COLUMNS) <= set(_columns(first))


def _columns(line: str) -> list[str]:
    return [cell.strip().strip("\"'").strip().lower() for cell in line.strip().split(",")]


def read(source: Source) -> Iterator[Finding]:
    """Every image of the CSV files."""
    found = documents_of(source, ".csv", _looks_like)
    for file in found.files:
        yield from found.findings(file, parse(parsing.read_bytes(file), file))


def parse(data: bytes, path: Path) -> Listing:
    """Parses a CSV file's bytes; `path` is only named in errors.

    Raises:
        DataError: a column is missing, a row is short, or a coordinate is no number.
    """
    text = parsing.text_of(data, path)
    columns = _columns(text.split("\n", 1)[0])
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise parsing.broken(path, 1, f"no column '{missing[0]}'", f"The first line should be {_HEADER}")
    images: dict[str, list[ObjectAnnotation]] = {}
    problems: list[tuple[str, str]] = []
    rows = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    try:
        next(rows)
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(columns):
                raise parsing.broken(path, rows.line_num, f"broken CSV: {len(row)} cells, {len(columns)} columns")
            cells = {name: cell.strip() for name, cell in zip(columns, row, strict=True)}
            if not cells["image"]:
                raise parsing.broken(path, rows.line_num, "broken CSV: no image")
            objects = images.setdefault(cells["image"], [])
            if not any(cells[name] for name in _CORNERS):
                continue  # a row with a name alone is a background image
            box = _box(cells, path, rows.line_num)
            if cells["label"]:
                objects.append(ObjectAnnotation(cells["label"], box))
            else:
                problems.append(("label_missing", f"line {rows.line_num}: a box in {cells['image']} without label"))
    except csv.Error as error:
        raise parsing.broken(path, rows.line_num or 1, f"broken CSV: {error}") from None
    boxes = (item.box for objects in images.values() for item in objects)
    # VoTT writes pixels; what was made from it by hand may be fractions, as in the tutorials' CSV.
    unit = unit_of(max(box.xmin, box.ymin, box.xmax, box.ymax) for box in boxes)
    entries = (Entry(spellings(name) or (name,), tuple(objects), unit=unit) for name, objects in images.items())
    return Listing(tuple(entries), tuple(problems))


def _box(cells: dict[str, str], path: Path, line: int) -> Box:
    corners = []
    for name in _CORNERS:
        try:
            corners.append(float(cells[name]))
        except ValueError:
            raise parsing.broken(path, line, f"broken CSV: {name} is '{cells[name]}', not a number") from None
    return Box(*corners)
