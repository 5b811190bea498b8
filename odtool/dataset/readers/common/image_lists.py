"""Documents that list many images: what one says, which ones there are, and where their images lie."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

from odtool.dataset.readers.common import faults
from odtool.dataset.readers.common.annotation_files import LooksLike, find_annotation_files
from odtool.dataset.readers.common.lookup import FoundImage, Places, find_image, find_places, sample_names
from odtool.dataset.readers.common.source_folders import (
    find_file_split,
    find_image_folders,
    find_split,
    sort_nearest_first,
    walk,
)
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.common.streams.json_document import JsonDocument
from odtool.dataset.readers.common.streams.overflow import Overflow, open_overflow
from odtool.dataset.readers.namesakes.contender import State, Stated, state_nothing
from odtool.dataset.splits import parse_split
from odtool.dataset.types import AnnotatedImage, Finding, ObjectAnnotation, Problem, Source, Unit

_SAMPLES = 50
"""Documents of a folder whose names and sizes tell where their images lie."""


@dataclass(frozen=True)
class ImageEntry:
    """One image of a document."""

    names: tuple[str, ...]
    """What its file may be called, the likeliest first; paths and URLs as the document spells them."""
    objects: tuple[ObjectAnnotation, ...] = ()
    size: tuple[int, int] | None = None
    unit: Unit = "pixel"
    split: str | None = None
    bytes: int | None = None
    """Size of its file, where the document states it."""

    def state(self) -> Stated:
        """What the document says of its file."""
        return Stated(self.size, self.bytes)


@dataclass(frozen=True)
class Listing:
    """What one document says."""

    entries: Iterable[ImageEntry]
    """Asked for more than once; on disk where they are many."""
    problems: Iterable[tuple[str, str]] = ()
    """Kind and detail of each."""
    dialect: str = ""
    """AnnotatedImage.dialect."""
    unit: Unit | None = None
    """That of all entries, where it shows only when all are known."""


@dataclass(frozen=True)
class Documents:
    """The documents of a source, and the folders of its images."""

    source: Source
    files: tuple[Path, ...]
    images: tuple[Path, ...]

    def read_listing(self, file: Path, listing: Listing) -> Iterator[AnnotatedImage | Problem]:
        """The problems and images of one of the documents, each image looked for on disk."""
        samples = _sample_states(listing.entries)
        places = self.find_places(file, list(samples), samples.__getitem__)
        yield from places.report_rivals()
        yield from describe_listing(listing, file, places, find_file_split(file, self.source), self.source)

    def find_places(self, file: Path, names: Sequence[str] | None = None, state: State = state_nothing) -> Places:
        """Where the images of a document may lie: beside it, in images/ beside it, then anywhere, the nearest first.

        `names` are some of those that it gives, and `state` what it says of the file of one.
        """
        split = parse_split(file.stem)
        nearest = sort_nearest_first(self.images, file.parent, self.source, split)
        if self.source.images is not None:
            return find_places([], nearest, file.parent, self.source, split=split, names=names, state=state)
        of_split = [folder for folder in self.images if split and parse_split(folder.name) == split]
        beside = [file.parent / "images", file.parent.parent / "images"]
        near = [file.parent, *(folder for folder in beside if folder.is_dir())]
        return find_places([*of_split, *near], nearest, file.parent, self.source, split=split, names=names, state=state)


def find_documents(source: Source, suffixes: str | tuple[str, ...], looks_like: LooksLike) -> Documents:
    """The file that the source is, or those in it with one of the endings (in lower case) that look right."""
    files = find_annotation_files(source, suffixes, looks_like)
    folders = [folder.path for folder in walk(source.images)] if source.images else find_image_folders(source)
    return Documents(source, tuple(files), tuple(folders))


def _sample_states(entries: Iterable[ImageEntry]) -> dict[str, Stated]:
    """Some names from all parts of a document, each with what the last of its entries says of its file."""
    # The names themselves take much more memory.
    hashes = {hash(entry.names[0]) for entry in entries if entry.names}
    samples: dict[str, Stated] = {}
    chosen, position = set(sample_names(range(len(hashes)))), 0
    for entry in entries:
        if not entry.names:
            continue
        name = entry.names[0]
        if hash(name) in hashes:  # for the first time
            hashes.remove(hash(name))
            if position in chosen:
                samples[name] = entry.state()
            position += 1
        elif name in samples:
            samples[name] = entry.state()
    return samples


def read_streams(
    source: Source,
    suffixes: str | tuple[str, ...],
    looks_like: LooksLike,
    parse: Callable[[BinaryIO, Path, Overflow], Listing],
) -> Iterator[Finding]:
    """Every image of the documents, each of which is read by itself and is not in memory as a whole."""
    documents = find_documents(source, suffixes, looks_like)
    for file in documents.files:
        yield from faults.report_broken(_read_stream, documents, file, parse)


def _read_stream(
    documents: Documents, file: Path, parse: Callable[[BinaryIO, Path, Overflow], Listing]
) -> Iterator[AnnotatedImage | Problem]:
    with input_files.open_binary(file) as stream, open_overflow(documents.source.scratch) as overflow:
        yield from documents.read_listing(file, parse(stream, file, overflow))


def read_long_documents(
    source: Source,
    suffixes: str | tuple[str, ...],
    looks_like: LooksLike,
    parse: Callable[[JsonDocument, Overflow], Listing],
    keys: Collection[str] = (),
) -> Iterator[Finding]:
    """Every image of JSON documents which are not in memory as a whole, nor is what they say.

    Args:
        keys: those of the outermost object whose values `parse` asks for.
    """
    documents = find_documents(source, suffixes, looks_like)
    for file in documents.files:
        yield from faults.report_broken(read_long_document, documents, file, parse, keys)


def read_long_document(
    documents: Documents, file: Path, parse: Callable[[JsonDocument, Overflow], Listing], keys: Collection[str] = ()
) -> Iterator[AnnotatedImage | Problem]:
    """What one of the documents says; raises AnnotationError where it is broken."""
    with input_files.open_binary(file) as stream, open_overflow(documents.source.scratch) as overflow:
        yield from documents.read_listing(file, parse(JsonDocument(stream, file, keys), overflow))


def read_image_documents(
    source: Source, suffixes: str | tuple[str, ...], looks_like: LooksLike, parse: Callable[[bytes, Path], Listing]
) -> Iterator[Finding]:
    """The same for formats with a document an image: of those in one folder, the images are looked for alike.

    A document's name is its image's, and says nothing of splits.
    """
    documents = find_documents(source, suffixes, looks_like)
    for folder, files in groupby(documents.files, key=lambda file: file.parent):
        listings = ((file, faults.attempt(_parse_file, file, parse)) for file in files)
        samples = list(islice(listings, _SAMPLES))
        found = [listing for _, listing in samples if isinstance(listing, Listing)]
        entries = {entry.names[0]: entry for listing in found for entry in listing.entries if entry.names}
        places = documents.find_places(folder / "-", list(entries), partial(_state_entry, entries))
        yield from places.report_rivals()
        split = find_split(folder, source.root)
        for file, listing in chain(samples, listings):
            yield from (
                [listing] if isinstance(listing, Problem) else describe_listing(listing, file, places, split, source)
            )


def _state_entry(entries: Mapping[str, ImageEntry], name: str) -> Stated:
    return entries[name].state()


def _parse_file(file: Path, parse: Callable[[bytes, Path], Listing]) -> Listing:
    return parse(input_files.read_bytes(file), file)


def parse_objects(
    items: Sequence[Any], parse: Callable[[Any, int], ObjectAnnotation | None], problems: list[tuple[str, str]]
) -> tuple[ObjectAnnotation, ...] | None:
    """The objects of an image's items, each with its number from 1; a broken item is a problem.

    None where an image lost all its objects to faults: it is no background then.
    """
    objects, faults_before, skipping = list[ObjectAnnotation](), len(problems), faults.Skipping(problems)
    for number, item in enumerate(items, start=1):
        with skipping:
            if (parsed := parse(item, number)) is not None:
                objects.append(parsed)
    return None if faults.is_nothing_left(objects, problems[faults_before:]) else tuple(objects)


def describe_listing(
    listing: Listing, file: Path, places: Places, split: str | None, source: Source
) -> Iterator[AnnotatedImage | Problem]:
    """The problems and images of one document, each image looked for in `places`; an entry's own split comes first."""
    for kind, detail in listing.problems:
        yield Problem(kind, file, detail)
    for entry in listing.entries:
        image = locate(entry.names, places, within=source.root)
        if image.outside:
            yield Problem("path_outside", file, f"'{entry.names[0]}' leads outside {source.root}")
        objects = entry.objects
        if not source.masks:
            objects = tuple(item if item.outline is None else replace(item, outline=None) for item in objects)
        yield AnnotatedImage(
            image.path,
            file,
            objects,
            listing.unit or entry.unit,
            entry.split or split,
            declared_size=entry.size,
            match=image.match,
            dialect=listing.dialect,
        )


def locate(names: Sequence[str], places: Places, *, within: Path) -> FoundImage:
    """What the first of the names leads to that leads surely to an image; else the first image; else the first."""
    candidates = []
    for name in names:
        image = find_image(name, places, within=within)
        if image.exists and image.match == "named":
            return image
        candidates.append(image)
    existing = (image for image in candidates if image.exists)
    return next(existing, None) or next(iter(candidates), None) or find_image("", places, within=within)


def list_spellings(reference: str) -> tuple[str, ...]:
    """What the file behind a path or URL may be called: as written, without scheme and query, and unescaped."""
    plain = reference.strip()
    scheme, separator, path = plain.partition("://")
    if separator and scheme.isalnum() | ("-" in scheme):
        # s3://bucket/key, https://host/path, file:///path: the host or bucket is no folder here.
        plain = path.partition("/")[2] if scheme != "file" else path
        plain = plain.partition("?")[0]
    elif plain.startswith("file:"):
        plain = plain.removeprefix("file:")
    return tuple(dict.fromkeys(name for name in (plain, unquote(plain)) if name))
