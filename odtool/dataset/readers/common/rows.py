"""Rows of text files: numbered lines, CSV in memory, and CSV of any length brought together by the first cell."""

from __future__ import annotations

import csv
import io
from array import array
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from odtool.dataset.readers.common import parsing
from odtool.dataset.readers.common.faults import CollectedProblems, Skipping
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.types import Box

Row = tuple[int, list[str]]
"""A line's number and its cells, stripped."""
_HEAD = 1 << 14
Problems = list[tuple[str, str]]
"""Takes kind and detail of each fault that is met; the row or line that it is in is left out."""
CORNERS = ("xmin", "ymin", "xmax", "ymax")
"""The columns of a box, in the order of Box."""


def read_opening(path: Path) -> list[str]:
    """The first lines of a file, for detectors; none where it cannot be read or is no text."""
    try:
        with open(path, "rb", opener=input_files.open_regular) as stream:
            head = stream.read(_HEAD)
    except OSError:
        return []  # a detector only asks what a file looks like; whoever reads it will say why it cannot be
    lines = head if len(head) < _HEAD else head.rpartition(b"\n")[0]
    try:
        return lines.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return []


def are_mostly(path: Path, fits: Callable[[str], bool]) -> bool:
    """Whether most of a file's first lines are of a kind: a broken one does not hide what the file is."""
    lines = [line for line in read_opening(path) if line.strip()]
    return len(lines) < 2 * sum(map(fits, lines))


def number_lines(stream: Iterable[bytes], path: Path, problems: Problems) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers from 1 and without what surrounds them.

    One that is not UTF-8 is a problem.
    """
    skipping = Skipping(problems)
    for number, line in enumerate(stream, start=1):
        text = ""
        with skipping:
            text = _decode(line, path, number).strip()
        if text:
            yield number, text


def is_number(word: str) -> bool:
    """Whether a word is a number; detectors tell formats apart by where the class stands."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def parse_cells(text: str, path: Path, number: int) -> list[str]:
    """The cells of one CSV line."""
    if '"' not in text:
        return [cell.strip() for cell in text.split(",")]
    try:
        return [cell.strip() for cell in next(csv.reader([text], strict=True, skipinitialspace=True))]
    except (csv.Error, StopIteration) as error:
        raise parsing.line_error(path, number, f"broken CSV: {error}") from None


class Lines:
    """Lines that are taken one by one, of which those since a mark can be taken once more."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._returned = deque[str]()
        self._taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self._taken.append(self._returned.popleft() if self._returned else next(self._lines))
        return self._taken[-1]

    def mark(self) -> None:
        """What was taken is done with."""
        self._taken.clear()

    def go_back(self) -> bool:
        """Gives back what was taken since the mark, but for its first line; whether any line is left."""
        self._returned.extendleft(reversed(self._taken[1:]))
        self._taken.clear()
        self._returned.extend(islice(self._lines, 0 if self._returned else 1))
        return bool(self._returned)


def iterate_lines(stream: BinaryIO, path: Path) -> Iterator[str]:
    """The lines of a text with their ends, as universal newlines have them, of which one is in memory at a time.

    Raises:
        AnnotationError: it is neither UTF-8 nor UTF-16 with a byte order mark.
    """
    stream.seek(0)
    if stream.read(2) in (BOM_UTF16_LE, BOM_UTF16_BE):
        stream.seek(0)
        yield from io.StringIO(parsing.decode_text(stream.read(), path), newline="")
        return
    stream.seek(0)
    for number, line in enumerate(stream, start=1):
        text = _decode(line, path, number)
        # Old Macs end lines with a carriage return alone.
        yield from io.StringIO(text, newline="") if text.find("\r", 0, -2) >= 0 else (text,)


def parse_csv(
    text: str | Iterable[str],
    path: Path,
    problems: CollectedProblems,
    *,
    delimiter: str = ",",
    extra_cells: bool = False,
) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and stripped cells of a CSV text's rows, the header included; rows without content are left out.

    The text may be given by its lines, with their ends.

    A row that is not CSV, or has not as many cells as the header, is a problem. Where a quote does not end, the row
    is the line that it begins in.

    Args:
        extra_cells: allow rows with more cells than the header, as spreadsheets leave them.

    Raises:
        AnnotationError: the header is not CSV.
    """
    lines = Lines(io.StringIO(text, newline="") if isinstance(text, str) else text)
    skipping, columns, first, is_left = Skipping(problems), 0, 0, True
    while is_left:
        rows = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
        start = first
        try:
            for row in rows:
                start = first + rows.line_num
                lines.mark()
                cells = [cell.strip() for cell in row]
                if not any(cells):
                    continue
                columns = columns or len(cells)
                if columns <= len(cells) and (extra_cells or len(cells) == columns):
                    yield start, cells
                    continue
                with skipping:
                    raise parsing.line_error(path, start, f"broken CSV: {len(cells)} cells, {columns} columns")
            return
        except csv.Error as error:
            fault = parsing.line_error(path, start + 1, f"broken CSV: {error}")
        if not columns:
            raise fault
        with skipping:
            raise fault
        first, is_left = start + 1, lines.go_back()


def require_columns(columns: Sequence[str], needed: Sequence[str], path: Path, hint: str) -> None:
    """Raises DataError where a table lacks a column."""
    for name in needed:
        if name not in columns:
            raise parsing.line_error(path, 1, f"no column '{name}'", hint)


def parse_box(corners: Sequence[str], path: Path, line: int) -> Box:
    """The box of four cells: xmin, ymin, xmax and ymax. Raises AnnotationError where one is not a number."""
    values = []
    for name, text in zip(CORNERS, corners, strict=True):
        try:
            values.append(float(text))
        except ValueError:
            what = f"broken CSV: {name} is '{text}', not a number"
            raise parsing.line_error(path, line, f"{what} with a decimal point" if "," in text else what) from None
    return Box(*values)


def group_rows(stream: BinaryIO, path: Path, problems: Problems, *, header: bool) -> Iterator[list[Row]]:
    """The rows of a CSV file, those with the same first cell together, in the order of their first mention.

    A line that is not CSV is a problem; where no line of a group is, there is no group.
    The file is read twice. Where equal keys stand side by side, one group is in memory at a time; where they do not,
    so are the places of all rows, 16 bytes each, but never the rows.
    """
    first = 2 if header else 1
    if header:
        stream.readline()
    elif stream.read(len(BOM_UTF8)) != BOM_UTF8:
        stream.seek(0)
    start = stream.tell()
    is_scattered = _is_scattered(stream, start)
    stream.seek(start)
    gather = _gather if is_scattered else _group_neighbours
    yield from filter(None, gather(stream, path, first, Skipping(problems)))


def _group_neighbours(stream: BinaryIO, path: Path, first: int, skipping: Skipping) -> Iterator[list[Row]]:
    last, group = b"", list[Row]()
    for number, line in enumerate(stream, start=first):
        if not line.strip():
            continue
        key = _parse_key(line)
        if group and key != last:
            yield group
            group = []
        last = key
        with skipping:
            group.append((number, parse_cells(_decode(line, path, number).strip(), path, number)))
    if group:
        yield group


def _gather(stream: BinaryIO, path: Path, first: int, skipping: Skipping) -> Iterator[list[Row]]:
    places: dict[bytes, array[int]] = {}
    offset = stream.tell()
    for number, line in enumerate(stream, start=first):
        if line.strip():
            places.setdefault(_parse_key(line), array("Q")).extend((number, offset))
        offset += len(line)
    for numbers_and_offsets in places.values():
        group = []
        for number, offset in zip(numbers_and_offsets[::2], numbers_and_offsets[1::2], strict=True):
            stream.seek(offset)
            with skipping:
                text = _decode(stream.readline(), path, number).strip()
                group.append((number, parse_cells(text, path, number)))
        yield group


def _is_scattered(stream: BinaryIO, start: int) -> bool:
    """Whether a key comes back after another one. That a file is sorted can be seen without remembering keys."""
    last = b""
    for line in stream:
        key = _parse_key(line)
        if key < last:
            break
        last = key
    else:
        return False
    stream.seek(start)
    last, key_hashes = b"", set[int]()
    for line in stream:
        key = _parse_key(line)
        if key != last and key:
            if hash(key) in key_hashes:
                return True
            key_hashes.add(hash(key))
            last = key
    return False


def _parse_key(line: bytes) -> bytes:
    """The first cell, as it is spelt."""
    if line[:1] == b'"':
        return line[1 : line.find(b'"', 1)].strip()
    return line.partition(b",")[0].strip()


def _decode(line: bytes, path: Path, number: int) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        raise parsing.line_error(path, number, "not UTF-8 text", "Save it as UTF-8.") from None
