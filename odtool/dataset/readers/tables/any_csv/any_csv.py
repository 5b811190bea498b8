"""CSV whose columns the user names (--columns): Kaggle's lists of boxes, and what people write themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from odtool.dataset.dialects import LAYOUTS, Layout, make_box
from odtool.dataset.readers.common import parsing, rows, values
from odtool.dataset.readers.common.faults import CollectedProblems, Skipping
from odtool.dataset.readers.common.image_lists import find_documents
from odtool.dataset.readers.common.source_folders import list_files
from odtool.dataset.readers.common.streams.overflow import Overflow
from odtool.dataset.readers.tables.any_csv import columns as column_roles
from odtool.dataset.readers.tables.any_csv.box_cells import EMPTY, parse_box_cell, parse_list_cell
from odtool.dataset.readers.tables.any_csv.columns import Columns
from odtool.dataset.readers.tables.any_csv.suggestion import suggest_columns
from odtool.dataset.readers.tables.csv_files import CsvFile, read_csv_files
from odtool.dataset.splits import parse_split
from odtool.dataset.types import Box, Finding, ObjectAnnotation, Source
from odtool.errors import DataError

SUFFIXES = (".csv", ".tsv")
_DELIMITERS = ",;\t|"
_LAYOUTS: dict[tuple[str, ...], Layout] = {
    column_roles.CORNERS: "xyxy",
    column_roles.SIDES: "xywh",
    column_roles.CENTRE: "cxcywh",
    **{(layout,): layout for layout in LAYOUTS},
}
_NAMELESS = "object"
"""The class of all boxes where no column is named for it."""


def detect(path: Path) -> str | None:
    """None: nothing but --columns says that a table is to be read so."""
    del path
    return None


def read(source: Source) -> Iterator[Finding]:
    """Every image of the CSV files that have the columns.

    Raises:
        DataError: no columns are named, no file has them, or a row is broken.
    """
    require(source)
    documents = find_documents(source, SUFFIXES, partial(_has_columns, columns=source.columns))
    layout = _LAYOUTS[column_roles.find_box_roles(dict(source.columns))]
    return read_csv_files(documents, partial(parse, columns=source.columns), dialect=f"csv_{layout}")


def require(source: Source) -> None:
    """Raises DataError where no columns are named, or no CSV of the source has those that are."""
    files = list_files(source.path, *SUFFIXES)
    if source.columns and any(_has_columns(file, source.columns) for file in files):
        return
    table = next(((file, lines) for file in files if (lines := rows.read_opening(file))), None)
    if table is None:
        raise DataError(f"{source.path}: no CSV file, as --columns needs", "Name the CSV file as the source.")
    file, lines = table
    cells = _split_opening(lines)
    what = (
        "lacks one of the columns " + ", ".join(name for _, name in source.columns)
        if source.columns
        else "needs --columns"
    )
    raise DataError(
        f"{file}: {what}; its first line is {lines[0].strip()[:200]}",
        f"For example: {suggest_columns(cells[0], cells[1] if len(cells) > 1 else ())}",
    )


def _has_columns(path: Path, columns: Columns) -> bool:
    lines = rows.read_opening(path)
    return bool(lines) and column_roles.find_indices(columns, _split_opening(lines)[0]) is not None


def _split_opening(lines: Sequence[str]) -> list[list[str]]:
    """The cells of the first two lines."""
    delimiter = _find_delimiter(lines[0])
    text = "\n".join(lines[:2])
    try:
        return [row for _, row in rows.parse_csv(text, Path(), [], delimiter=delimiter, extra_cells=True)] or [[]]
    except DataError:
        return [[cell.strip() for cell in line.split(delimiter)] for line in lines[:2]]


def _find_delimiter(line: str) -> str:
    """What parts the cells of a first line. What stands in quotes or brackets is within a cell."""
    depth, quoted, outside = 0, False, list[str]()
    for character in line:
        quoted ^= character == '"'
        depth += (character in "[({") - (character in "])}")
        if not quoted and depth <= 0:
            outside.append(character)
    return max(_DELIMITERS, key=outside.count)


def parse(stream: BinaryIO, path: Path, overflow: Overflow, *, columns: Columns) -> CsvFile:
    """Parses a CSV file; `path` is only named in errors.

    Coordinates are fractions where those of the whole file are about 1 at most, else pixels. A row whose box is empty
    is an image without objects, whatever stands under its class.

    A row that is short or whose box is not four numbers is a problem; an image with no other rows is left out.

    Raises:
        AnnotationError: a column is missing, or the text is not UTF-8.
    """
    lines = rows.iterate_lines(stream, path)
    opening = _take_opening(lines)
    delimiter = _find_delimiter(opening[-1] if opening else "")
    file = CsvFile(overflow)
    table = rows.parse_csv(chain(opening, lines), path, file.problems, delimiter=delimiter, extra_cells=True)
    line, header = next(table, (1, list[str]()))
    indices = column_roles.find_indices(columns, header)
    if indices is None:
        raise parsing.line_error(path, line, f"not all of the columns {', '.join(name for _, name in columns)}")
    layout = _Layout(indices, column_roles.find_box_roles(indices), decimal_comma=delimiter != ",")
    first_rows = [(line, header)] if column_roles.are_numbers(columns) and layout.is_row(header) else []
    if "class" not in indices:
        file.problems.append(("class_absent", "--columns names no column for the class"))
    broken, skipping = set[str](), Skipping(file.problems)
    for number, row in chain(first_rows, table):
        name = layout.get(row, "file")
        file.add_image(name)
        is_whole = False
        with skipping:
            if not name:
                raise parsing.line_error(path, number, f"broken CSV: no image in column '{dict(columns)['file']}'")
            for item in layout.parse_objects(row, path, number, file.problems):
                file.add_object(name, item)
            is_whole = True
        if not is_whole:
            broken.add(name)
        if (size := layout.parse_size(row)) is not None:
            file.add_size(name, size)
        if split := parse_split(layout.get(row, "split")):
            file.splits.setdefault(name, split)
    file.leave_out_empty(broken)  # what was broken is no background
    return file


def _take_opening(lines: Iterator[str]) -> list[str]:
    """The lines up to the first that is not blank."""
    opening: list[str] = []
    for text in lines:
        opening.append(text)
        if text.strip():
            break
    return opening


@dataclass(frozen=True)
class _Layout:
    """Where in a row everything stands."""

    indices: Mapping[str, int]
    """Place of a role's cell."""
    box_roles: tuple[str, ...]
    decimal_comma: bool
    """Whether numbers may have one: where cells are parted by something else."""

    def get(self, row: Sequence[str], role: str) -> str:
        return row[self.indices[role]] if role in self.indices else ""

    def is_row(self, cells: Sequence[str]) -> bool:
        """Whether the cells of a box are empty or numbers, and not the names of columns."""
        return self._parse_boxes(cells) is not None

    def parse_objects(
        self, row: Sequence[str], path: Path, line: int, problems: CollectedProblems
    ) -> list[ObjectAnnotation]:
        """The objects of one row: one, none where the box is empty, or as many as its cell has boxes.

        A box without a class is a problem.

        Raises:
            AnnotationError: a box is not four numbers, or there is not one class for each.
        """
        boxes = self._parse_boxes(row)
        if boxes is None:
            cells = ", ".join(f"{role} '{self.get(row, role)[:60]}'" for role in self.box_roles)
            raise parsing.line_error(path, line, f"broken CSV: {cells} is not a box of four numbers")
        labels = self._parse_labels(row, len(boxes))
        if labels is None:
            what = f"{len(boxes)} boxes, but the class is '{self.get(row, 'class')[:60]}'"
            raise parsing.line_error(path, line, f"broken CSV: {what}")
        if missing := labels.count(""):
            problems.append(("label_missing", f"line {line}: {missing} of {len(labels)} boxes without a class"))
        return [ObjectAnnotation(label, box) for label, box in zip(labels, boxes, strict=True) if label]

    def parse_size(self, row: Sequence[str]) -> tuple[int, int] | None:
        """The image's size as the table claims it; it is only compared."""
        try:
            sides = [float(self.get(row, role)) for role in ("image_width", "image_height")]
        except ValueError:
            return None
        return values.parse_size(*sides)

    def _parse_boxes(self, row: Sequence[str]) -> list[Box] | None:
        if len(self.box_roles) == 1:
            numbers = parse_box_cell(self.get(row, self.box_roles[0]), self.box_roles[0])
            return None if numbers is None else [make_box(four, _LAYOUTS[self.box_roles]) for four in numbers]
        cells = [self.get(row, role) for role in self.box_roles]
        if all(cell.lower() in EMPTY for cell in cells):
            return []
        try:
            four = [float(cell.replace(",", ".") if self.decimal_comma else cell) for cell in cells]
        except ValueError:
            return None
        return [make_box(four, _LAYOUTS[self.box_roles])]

    def _parse_labels(self, row: Sequence[str], count: int) -> list[str] | None:
        """The class of each box: one for all, or a list with as many."""
        if "class" not in self.indices:
            return [_NAMELESS] * count
        cell = self.get(row, "class")
        names = parse_list_cell(cell) if len(self.box_roles) == 1 else None
        if names is None:
            return [cell] * count
        return [values.parse_label(name) for name in names] if len(names) == count else None
