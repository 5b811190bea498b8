"""JSON Lines: an object a line, with one line in memory at a time, and the line's number in every message."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from odtool.dataset.readers.common import faults, parsing
from odtool.dataset.readers.common.annotation_files import LooksLike
from odtool.dataset.readers.common.faults import FIX, AnnotationError, Skipping
from odtool.dataset.readers.common.image_lists import (
    Documents,
    ImageEntry,
    Listing,
    describe_listing,
    find_documents,
)
from odtool.dataset.readers.common.source_folders import find_file_split
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.types import AnnotatedImage, Finding, Problem, Source
from odtool.errors import DataError

_MOST_LINE = 1 << 28
"""Bytes. A longer line is hardly the annotation of one image, and would have to be in memory as a whole."""
_FIRST = 20
"""Lines that a detector looks into."""
_SAMPLES = 50
"""Lines from all parts of a file that are looked into to tell where its images lie."""


@dataclass(frozen=True)
class Line:
    """Where in a file a row stands, and what is wrong with it."""

    path: Path
    number: int
    """From 1; 0 where it is not known."""
    problems: list[tuple[str, str]] = field(default_factory=list)
    """Kind and detail of each."""

    def report(self, kind: str, detail: str) -> None:
        self.problems.append((kind, f"line {self.number}: {detail}" if self.number else detail))

    def error(self, what: str, hint: str = FIX) -> AnnotationError:
        return parsing.line_error(self.path, self.number, what, hint)


ParseRow = Callable[[dict[str, Any], Line], ImageEntry | None]
"""Makes an image of a row, or None where the row is of no annotated image; tells the line what is wrong with it."""


def has_keys(path: Path, *keys: str) -> bool:
    """Whether a file is objects on lines of their own and one of the first has all these keys, as far as 64 KB show."""
    lines = input_files.read_ends(path).removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", _FIRST)[:_FIRST]
    return any(line.startswith(b"{") and all(f'"{key}"'.encode() in line for key in keys) for line in lines)


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are not blank, with their numbers.

    Raises:
        DataError: a line is longer than any annotation.
    """
    with open(path, "rb") as stream:
        for number, line in enumerate(_iterate_lines(stream), start=1):
            if len(line) > _MOST_LINE:
                raise parsing.line_error(path, number, f"a line of more than {_MOST_LINE >> 20} MB")
            if line.strip():
                yield number, line


def _iterate_lines(stream: BinaryIO) -> Iterator[bytes]:
    while line := stream.readline(_MOST_LINE + 1):
        yield line


def read_rows(path: Path, problems: list[tuple[str, str]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file with the numbers of their lines; a line that is none is a problem."""
    skipping = Skipping(problems)
    for number, line in read_lines(path):
        with skipping:
            yield number, parse_row(line, path, number)


def parse_row(line: bytes, path: Path, number: int) -> dict[str, Any]:
    """The object of one line; raises DataError with its number where it is none."""
    try:
        row = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except (ValueError, RecursionError) as error:
        what = error.msg if isinstance(error, json.JSONDecodeError) else "it cannot be read"
        raise parsing.line_error(path, number, f"broken JSON: {what}") from None
    if not isinstance(row, dict):
        raise parsing.line_error(path, number, "the line is not a JSON object")
    return row


def sample_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Some rows from all parts of a file; those that are broken are left to whoever reads all."""
    with open(path, "rb") as stream:
        size, end = stream.seek(0, 2), -1
        for number in range(_SAMPLES):
            if (offset := size * number // _SAMPLES) < end:
                continue
            stream.seek(max(offset - 1, 0))
            if offset:
                stream.readline(_MOST_LINE)  # the rest of a line
            line, end = stream.readline(_MOST_LINE), stream.tell()
            try:
                yield parse_row(line.removeprefix(b"\xef\xbb\xbf"), path, 0)
            except DataError:
                continue


def read_json_lines(
    source: Source, suffixes: str | tuple[str, ...], looks_like: LooksLike, parse: ParseRow
) -> Iterator[Finding]:
    """Every image of the files, for formats in which each line is read by itself."""
    documents = find_documents(source, suffixes, looks_like)
    for file in documents.files:
        yield from faults.report_broken(read_entries, documents, file, read_lines(file), parse)


def read_entries(
    documents: Documents, file: Path, lines: Iterable[tuple[int, bytes]], parse: ParseRow
) -> Iterator[AnnotatedImage | Problem]:
    """The images of one file's lines, each looked for on disk; a broken line is a problem, and the next one is read."""
    source = documents.source
    entries = dict(_sample_entries(file, parse))
    places = documents.find_places(file, list(entries), lambda name: entries[name].state())
    yield from places.report_rivals()
    split = find_file_split(file, source)
    for number, text in lines:
        line, entry = Line(file, number), None
        with Skipping(line.problems):
            entry = parse(parse_row(text, file, number), line)
        listing = Listing(() if entry is None else (entry,), tuple(line.problems))
        yield from describe_listing(listing, file, places, split, source)


def _sample_entries(file: Path, parse: ParseRow) -> Iterator[tuple[str, ImageEntry]]:
    for row in sample_rows(file):
        try:
            entry = parse(row, Line(file, 0))
        except DataError:
            continue
        if entry is not None and entry.names:
            yield entry.names[0], entry
