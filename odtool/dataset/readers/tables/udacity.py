"""The two CSVs of Udacity's self-driving cars: CrowdAI's with a header, Autti's with blanks between the cells and none.

CrowdAI's header says xmin,xmax,ymin,ymax, but its rows are xmin,ymin,xmax,ymax; in later copies the header is often
corrected, or the rows are. So the order is the one in which boxes are not inverted.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import parsing, rows
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.faults import CollectedProblems, Skipping
from odtool.dataset.readers.common.image_lists import find_documents
from odtool.dataset.readers.common.streams.overflow import Overflow
from odtool.dataset.readers.tables.csv_files import CsvFile, read_csv_files
from odtool.dataset.types import Box, Finding, ObjectAnnotation, Source

_SWAPPED = ("xmin", "xmax", "ymin", "ymax")
_LABELS = ("label", "class_id", "class")
_AUTTI = 7
"""Cells: frame, four corners, whether it is occluded, and the label; the state of traffic lights may follow."""

Row = tuple[str, str, list[float], bool]
"""Frame, label, four numbers and whether it is occluded."""


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as Udacity's, or None."""
    return find_evidence(path, ".csv", _looks_like, "has Udacity's columns Frame and Label", samples=None)


def _looks_like(path: Path) -> bool:
    if path.suffix.lower() != ".csv":
        return False
    first = next((line for line in rows.read_opening(path) if line.strip()), "")
    return _find_columns(first) is not None or rows.are_mostly(path, lambda line: _parse_autti(line) is not None)


def _find_columns(header: str) -> tuple[int, int, list[int]] | None:
    """Where frame, label and the four numbers stand; None where it is not CrowdAI's header."""
    cells = [cell.strip().strip('"').lower() for cell in header.split(",")]
    label = next((name for name in _LABELS if name in cells), "")
    if "frame" not in cells or not label or not set(_SWAPPED) <= set(cells):
        return None
    return cells.index("frame"), cells.index(label), [cells.index(name) for name in _SWAPPED]


def _parse_autti(line: str) -> Row | None:
    """A row such as: 1478019952686311006.jpg 950 574 1004 620 0 "trafficLight" "Red"."""
    try:
        words = shlex.split(line)
    except ValueError:
        return None
    if (
        not _AUTTI <= len(words) <= _AUTTI + 1
        or not words[0].lower().endswith(EXTENSIONS)
        or words[5] not in ("0", "1")
    ):
        return None
    if not all(map(rows.is_number, words[1:5])) or rows.is_number(words[6]):
        return None
    return words[0], words[6], [float(word) for word in words[1:5]], words[5] == "1"


def read(source: Source) -> Iterator[Finding]:
    """Every image of the CSV files."""
    return read_csv_files(find_documents(source, ".csv", _looks_like), parse)


def parse(stream: BinaryIO, path: Path, overflow: Overflow) -> CsvFile:
    """Parses a CSV file; `path` is only named in errors. CrowdAI's is read twice, as all its boxes tell their order."""
    columns = _find_columns(next((line for line in rows.iterate_lines(stream, path) if line.strip()), ""))
    file, order = CsvFile(overflow, "pixel"), (0, 1, 2, 3)
    stream.seek(0)
    if columns is None:
        parsed = _read_autti(stream, path, file.problems)
    else:
        order = _choose_order(_read_crowdai(stream, path, columns, []), columns[2], file.problems)
        stream.seek(0)
        parsed = _read_crowdai(stream, path, columns, file.problems)
    for frame, label, numbers, occluded in parsed:
        file.add_image(frame)
        box = Box(*(numbers[place] for place in order))
        file.add_object(frame, ObjectAnnotation(label, box, occluded=occluded))
    return file


def _read_autti(stream: BinaryIO, path: Path, problems: CollectedProblems) -> Iterator[Row]:
    for number, line in enumerate(rows.iterate_lines(stream, path), start=1):
        if not line.strip():
            continue
        with Skipping(problems):
            row = _parse_autti(line)
            if row is None:
                what = f'not a row of Udacity\'s (frame xmin ymin xmax ymax occluded "label"): {line[:60]}'
                raise parsing.line_error(path, number, what)
            yield row


def _read_crowdai(
    stream: BinaryIO, path: Path, columns: tuple[int, int, list[int]], problems: CollectedProblems
) -> Iterator[Row]:
    """Rows with their numbers in the order of the columns named xmin, xmax, ymin, ymax."""
    frame, label, numbers = columns
    table = rows.parse_csv(rows.iterate_lines(stream, path), path, problems, extra_cells=True)
    next(table)
    for line, row in table:
        with Skipping(problems):
            if not row[frame] or not row[label]:
                raise parsing.line_error(path, line, "broken CSV: a row without frame or label")
            cells = [row[place] for place in numbers]
            if not all(map(rows.is_number, cells)):
                raise parsing.line_error(path, line, f"broken CSV: {', '.join(cells)} are not four numbers")
            yield row[frame], row[label], [float(cell) for cell in cells], False


def _choose_order(
    parsed: Iterable[Row], places: Sequence[int], problems: CollectedProblems
) -> tuple[int, int, int, int]:
    """Places of left, top, right, bottom: as the header has them, or as they stand, whichever inverts fewer boxes."""
    named = (0, 2, 1, 3)
    stands = sorted(range(4), key=lambda place: places[place])
    orders = {named: 0, (stands[0], stands[1], stands[2], stands[3]): 0}
    count = 0
    for _, _, box, _ in parsed:
        count += 1
        for left, top, right, bottom in orders:
            orders[left, top, right, bottom] += box[left] > box[right] or box[top] > box[bottom]
    chosen = min(orders, key=lambda order: orders[order])
    if chosen != named:
        detail = f"rows are xmin,ymin,xmax,ymax: by its header, {orders[named]} of {count} boxes are inverted"
        problems.append(("header_wrong", detail))
    return chosen
