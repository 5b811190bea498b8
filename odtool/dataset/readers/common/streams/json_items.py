"""A JSON document that is mostly one long list of objects, of which no more than one is in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from odtool.dataset.readers.common import faults
from odtool.dataset.readers.common.annotation_files import LooksLike
from odtool.dataset.readers.common.faults import AnnotationError, Skipping
from odtool.dataset.readers.common.image_lists import Documents, ImageEntry, Listing, describe_listing, find_documents
from odtool.dataset.readers.common.source_folders import find_file_split
from odtool.dataset.readers.common.streams.json_lines import Line, ParseRow
from odtool.dataset.readers.common.streams.json_text import JsonText
from odtool.dataset.types import AnnotatedImage, Finding, Problem, Source

_SAMPLES = 50
"""Items at the beginning whose names tell where the images lie."""


class ItemStream:
    """The objects of the list that a document is, or that stands in it under a key.

    `fields` are what stands before the list; those after it are not read.
    """

    def __init__(self, stream: BinaryIO, path: Path, key: str) -> None:
        self.fields: dict[str, Any] = {}
        self._text = JsonText(stream, path)
        if self._text.peek() == "{" and not self._open_object(key):
            raise AnnotationError(path, f"has no list '{key}'")
        if self._text.peek() != "[":
            raise self._text.error("expecting a list")

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        """Each value of the list, and the line on which it begins. Raises DataError where the document breaks."""
        return self._text.iterate_numbered()

    def _open_object(self, key: str) -> bool:
        """Whether the object has the list, which is next then."""
        for name in self._text.iterate_keys():
            if name == key and self._text.peek() == "[":
                return True
            self.fields[name] = self._text.read_value()
        return False


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
