"""Which formats a source has: the one that the user names, else all of which it has annotation files of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers import unsupported
from odtool.dataset.readers.common import source_folders
from odtool.dataset.readers.common.source_folders import walk
from odtool.dataset.readers.registry import READERS, Reader
from odtool.dataset.readers.tables.any_csv import any_csv
from odtool.dataset.types import Source
from odtool.errors import DataError

_SAMPLES = 200
"""Files of each kind in a folder that are looked into to see whose they are."""
COPIES = ("tfrecord",)
"""Formats that are made of others and hold the images once more: read where they are the only one."""
_BY_COLUMNS = "csv"


@dataclass(frozen=True)
class FormatChoice:
    """A format that a source is read as, and why."""

    name: str
    evidence: str

    @property
    def reader(self) -> Reader:
        return READERS[self.name]


def choose(source: Source, name: str = "auto") -> tuple[FormatChoice, ...]:
    """The formats of a source, by looking or by name, in the order of the registry.

    Raises:
        DataError: the source is missing, the name is not a format's, or nothing there looks like annotations.
    """
    if not source.path.exists():
        raise DataError(f"{source.path}: no such file or folder", "Name the folder or file with the annotations.")
    if source.columns or name == _BY_COLUMNS:
        return _choose_by_columns(source, name)
    if name != "auto":
        if name not in READERS:
            raise DataError(f"'{name}' is not a format", f"Formats: auto, {', '.join(READERS)}.")
        _refuse_other_format(source.path, name)
        return (FormatChoice(name, "named with --format"),)
    with source_folders.remember_listings():
        matches = _detect_all(source.path)
        if not matches:
            unsupported.refuse(source.path)
        names = _select_owners(matches, source.path)
    return tuple(FormatChoice(name, matches[name]) for name in names)


def _choose_by_columns(source: Source, name: str) -> tuple[FormatChoice, ...]:
    """CSV of any columns, which are named, not detected."""
    if name not in ("auto", _BY_COLUMNS):
        raise DataError(f"--format {name}: --columns is for --format {_BY_COLUMNS}", "Leave one of the two out.")
    any_csv.require(source)
    return (FormatChoice(_BY_COLUMNS, "its columns are named with --columns"),)


def _detect_all(path: Path) -> dict[str, str]:
    """The evidence for each format that a file or folder looks like."""
    return {name: evidence for name, reader in READERS.items() if (evidence := reader.detect(path))}


def _select_owners(matches: Iterable[str], path: Path) -> Sequence[str]:
    """Those of the formats that have files of their own: what two could read is the first one's in the registry.

    Of a file that the user names, the first format is meant.
    """
    names = [name for name in matches if name not in COPIES] or list(matches)
    if len(names) == 1 or path.is_file():
        return names[:1]
    files = (folder.path / name for folder in walk(path) for name in folder.files)
    owners = {find_owner(file, names) for file in take_samples(files)}
    return [name for name in names if name in owners] or names[:1]


def find_owner(file: Path, names: Iterable[str] = tuple(READERS)) -> str | None:
    """The first of the formats that a file looks like, or None."""
    return next((name for name in names if READERS[name].recognizes(file)), None)


def take_samples(files: Iterable[Path]) -> Iterator[Path]:
    """Files that may be annotations, from all parts of each folder: some of each ending. Images are none."""
    for _, of_folder in groupby(files, key=attrgetter("parent")):
        by_ending: dict[str, list[Path]] = {}
        for file in of_folder:
            ending = file.suffix.lower()
            if ending not in EXTENSIONS:
                by_ending.setdefault(ending, []).append(file)
        for alike in by_ending.values():
            yield from alike[:: -(-len(alike) // _SAMPLES)]


def _refuse_other_format(path: Path, name: str) -> None:
    """Raises DataError where a folder has nothing of the named format, and says what it has instead."""
    with source_folders.remember_listings():
        if not path.is_dir() or READERS[name].detect(path):
            return
        for reader in READERS.values():
            if evidence := reader.detect(path):
                raise DataError(
                    f"{path}: nothing there looks like {READERS[name].title}, as --format {name} says",
                    f"It looks like {reader.title}: {evidence}. Leave --format out, or name another folder.",
                )
        unsupported.refuse_near_misses(path)
