"""A JSON document that is mostly one long list of objects, of which no more than one is in memory at a time."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from odtool.dataset.readers.common import faults, parsing
from odtool.dataset.readers.common.annotation_files import LooksLike
from odtool.dataset.readers.common.faults import AnnotationError, Skipping
from odtool.dataset.readers.common.image_lists import Documents, ImageEntry, Listing, describe_listing, find_documents
from odtool.dataset.readers.common.source_folders import find_file_split
from odtool.dataset.readers.common.streams.json_lines import Line, ParseRow
from odtool.dataset.types import AnnotatedImage, Finding, Problem, Source

_PIECE = 1 << 20
"""Characters read at first for one value."""
_MOST_VALUE = 1 << 28
"""Characters. A longer value is hardly the annotation of one image, and would have to be in memory as a whole."""
_SAMPLES = 50
"""Items at the beginning whose names tell where the images lie."""
_BLANKS = " \t\r\n"
_ENDS = tuple(_BLANKS + ",:]}")
"""What follows a whole value: a number may go on after '0' or '0.'."""


class ItemStream:
    """The objects of the list that a document is, or that stands in it under a key.

    `fields` are what stands before the list; those after it are not read.
    """

    def __init__(self, stream: BinaryIO, path: Path, key: str) -> None:
        self.fields: dict[str, Any] = {}
        self._text = codecs.getreader("utf-8-sig")(stream)
        self._path = path
        self._buffer, self._place, self._line = "", 0, 1
        if self._peek() == "{":
            self._open_object(key)
        self._take("[", "a list")

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        """Each value of the list, and the line on which it begins. Raises DataError where the document breaks."""
        separator = ""
        while self._peek() != "]":
            if separator:
                self._take(separator, "a comma between two values")
            separator = ","
            self._peek()
            yield self._line, self._read_value()

    def _open_object(self, key: str) -> None:
        self._take("{", "an object")
        while self._peek() != "}":
            name = self._read_value()
            self._take(":", "a colon after a key")
            if name == key and self._peek() == "[":
                return
            self.fields[str(name)] = self._read_value()
            if self._peek() == ",":
                self._take(",", "a comma")
        raise AnnotationError(self._path, f"has no list '{key}'")

    def _peek(self) -> str:
        """The next character that is not blank; '' at the end."""
        while True:
            while self._place < len(self._buffer):
                character = self._buffer[self._place]
                if character not in _BLANKS:
                    return character
                self._line += character == "\n"
                self._place += 1
            if not self._read_more(_PIECE):
                return ""

    def _take(self, character: str, what: str) -> None:
        if self._peek() != character:
            raise parsing.line_error(self._path, self._line, f"broken JSON: expecting {what}")
        self._place += 1

    def _read_value(self) -> Any:
        """The next value. What may go on after the end of what is in memory is read again with more of it."""
        self._peek()
        size = _PIECE
        while True:
            try:
                value, end = _DECODER.raw_decode(self._buffer, self._place)
            except json.JSONDecodeError as error:
                reached_end = not self._read_more(size)
                if reached_end:
                    line = self._line + self._buffer.count("\n", self._place, error.pos)
                    raise parsing.line_error(self._path, line, f"broken JSON: {error.msg}") from None
            except (RecursionError, ValueError):
                raise parsing.line_error(self._path, self._line, "broken JSON: it cannot be read") from None
            else:
                if self._buffer[end : end + 1] in _ENDS or not self._read_more(size):
                    self._line += self._buffer.count("\n", self._place, end)
                    self._place = end
                    return value
            size *= 2
            if len(self._buffer) - self._place > _MOST_VALUE:
                raise parsing.line_error(self._path, self._line, f"a value of more than {_MOST_VALUE >> 20} MB")

    def _read_more(self, size: int) -> bool:
        try:
            piece = self._text.read(size)
        except UnicodeDecodeError:
            raise parsing.line_error(self._path, self._line, "broken JSON: not UTF-8 text") from None
        self._buffer = self._buffer[self._place :] + piece
        self._place = 0
        return bool(piece)


_DECODER = json.JSONDecoder()

MakeParser = Callable[[dict[str, Any], Path], ParseRow]
"""Makes the parser of items, of what stands before them in the document."""


def read_json_items(
    source: Source, suffixes: str | tuple[str, ...], looks_like: LooksLike, key: str, make_parser: MakeParser
) -> Iterator[Finding]:
    """Every image of the documents, each of which is a list of images or has one under the key."""
    documents = find_documents(source, suffixes, looks_like)
    for file in documents.files:
        yield from faults.report_broken(read_items, documents, file, key, make_parser)


def read_items(
    documents: Documents, file: Path, key: str, make_parser: MakeParser
) -> Iterator[AnnotatedImage | Problem]:
    """The images of one document, each looked for on disk."""
    source = documents.source
    with open(file, "rb") as stream:
        items = ItemStream(stream, file, key)
        parse = make_parser(items.fields, file)
        entries = (_parse_item(item, Line(file, number), parse) for number, item in items)
        samples = list(islice(entries, _SAMPLES))
        known = {entry.names[0]: entry for entry, _ in samples if entry is not None and entry.names}
        places = documents.find_places(file, list(known), lambda name: known[name].state())
        yield from places.report_rivals()
        split = find_file_split(file, source)
        for entry, problems in chain(samples, entries):
            listing = Listing(() if entry is None else (entry,), problems)
            yield from describe_listing(listing, file, places, split, source)


def _parse_item(item: Any, line: Line, parse: ParseRow) -> tuple[ImageEntry | None, tuple[tuple[str, str], ...]]:
    entry = None
    with Skipping(line.problems):
        if not isinstance(item, dict):
            raise line.error("an item that is not an object")
        entry = parse(item, line)
    return entry, tuple(line.problems)
