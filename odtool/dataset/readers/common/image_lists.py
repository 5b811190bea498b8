"""Documents that list many images: what one says, which ones there are, and where their images lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

from odtool.dataset.readers.common.lookup import Found, Places, find_image, placed, sample
from odtool.dataset.readers.common.source_folders import image_folders, nearest_first, walk
from odtool.dataset.splits import split_of_name
from odtool.dataset.types import AnnotatedImage, Finding, ObjectAnnotation, Problem, Source, Unit

_SAMPLES = 20
"""Files of a folder that a detector looks into."""


@dataclass(frozen=True)
class Entry:
    """One image of a document."""

    names: tuple[str, ...]
    """What its file may be called, the likeliest first; paths and URLs as the document spells them."""
    objects: tuple[ObjectAnnotation, ...] = ()
    size: tuple[int, int] | None = None
    unit: Unit = "pixel"
    split: str | None = None


@dataclass(frozen=True)
class Listing:
    """What one document says."""

    entries: tuple[Entry, ...]
    problems: tuple[tuple[str, str], ...] = ()
    """Kind and detail of each."""


@dataclass(frozen=True)
class Documents:
    """The documents of a source, and the folders of its images."""

    source: Source
    files: tuple[Path, ...]
    images: tuple[Path, ...]

    def findings(self, file: Path, listing: Listing) -> Iterator[Finding]:
        """The problems and images of one of the documents, each image looked for on disk."""
        for kind, detail in listing.problems:
            yield Problem(kind, file, detail)
        split = self.split(file)
        places = self.places(file, sample([entry.names[0] for entry in listing.entries if entry.names]))
        for entry in listing.entries:
            found = locate(entry.names, places, within=self.source.root)
            if found.outside:
                yield Problem("path_outside", file, f"'{entry.names[0]}' leads outside {self.source.root}")
            objects = entry.objects
            if not self.source.masks:
                objects = tuple(item if item.outline is None else replace(item, outline=None) for item in objects)
            own = entry.split or split
            yield AnnotatedImage(
                found.path, file, objects, entry.unit, own, declared_size=entry.size, match=found.match
            )

    def split(self, file: Path) -> str | None:
        """By the document's name, else by the innermost folder that speaks of a split."""
        inner = file.relative_to(self.source.root).parent.parts
        return next(filter(None, map(split_of_name, (file.stem, *reversed(inner)))), None)

    def places(self, file: Path, names: Sequence[str] | None = None) -> Places:
        """Where the images of a document may lie: beside it, in images/ beside it, then anywhere, the nearest first.

        `names` are some of those that it gives.
        """
        split = split_of_name(file.stem)
        nearest = nearest_first(self.images, file.parent, self.source, split)
        if self.source.images is not None:
            return placed([], nearest, file.parent, self.source, split=split, names=names)
        of_split = [folder for folder in self.images if split and split_of_name(folder.name) == split]
        beside = [file.parent / "images", file.parent.parent / "images"]
        near = [file.parent, *(folder for folder in beside if folder.is_dir())]
        return placed([*of_split, *near], nearest, file.parent, self.source, split=split, names=names)


def first_like(path: Path, suffixes: str | tuple[str, ...], looks_like: Callable[[Path], bool]) -> Path | None:
    """The file that the path is, or the first in the folder, if it looks right; for detectors.

    Of many files in one folder a few are looked into: where there is one for each image, they are of a kind.
    """
    if path.is_file():
        return path if looks_like(path) else None
    endings = (suffixes,) if isinstance(suffixes, str) else suffixes
    files = (file for folder in walk(path) for file in folder.ending(*endings)[:_SAMPLES])
    return next(filter(looks_like, files), None)


def documents_of(source: Source, suffixes: str | tuple[str, ...], looks_like: Callable[[Path], bool]) -> Documents:
    """The file that the source is, or those in it with one of the endings (in lower case) that look right."""
    folders = list(walk(source.root))
    files = [source.path]
    if source.path.is_dir():
        endings = (suffixes,) if isinstance(suffixes, str) else suffixes
        files = [file for folder in folders for file in folder.ending(*endings) if looks_like(file)]
    if source.images is not None:
        with_images = [folder.path for folder in walk(source.images)]
    else:
        with_images = image_folders(folders)
    return Documents(source, tuple(files), tuple(with_images))


def locate(names: Sequence[str], places: Places, *, within: Path) -> Found:
    """What the first of the names leads to that leads surely to an image; else the first image; else the first."""
    tried = []
    for name in names:
        found = find_image(name, places, within=within)
        if found.exists and found.match == "named":
            return found
        tried.append(found)
    there = (found for found in tried if found.exists)
    return next(there, None) or next(iter(tried), None) or find_image("", places, within=within)


def spellings(reference: str) -> tuple[str, ...]:
    """What the file behind a path or URL may be called: as written, without scheme and query, and unescaped."""
    plain = reference.strip()
    scheme, separator, rest = plain.partition("://")
    if separator and scheme.isalnum() | ("-" in scheme):
        # s3://bucket/key, https://host/path, file:///path: the host or bucket is no folder here.
        plain = rest.partition("/")[2] if scheme != "file" else rest
        plain = plain.partition("?")[0]
    elif plain.startswith("file:"):
        plain = plain.removeprefix("file:")
    return tuple(dict.fromkeys(name for name in (plain, unquote(plain)) if name))
