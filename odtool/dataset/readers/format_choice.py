"""Which format a source has: named by the user, or the first in the registry that the source looks like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from odtool.dataset.readers import unsupported
from odtool.dataset.readers.common import source_folders
from odtool.dataset.readers.registry import READERS, Reader
from odtool.dataset.readers.tables.any_csv import any_csv
from odtool.dataset.types import Source
from odtool.errors import DataError

_BY_COLUMNS = "csv"


@dataclass(frozen=True)
class FormatChoice:
    """The format of a source, and why."""

    name: str
    evidence: str
    others: tuple[str, ...] = ()
    """Formats that it looks like too."""

    @property
    def reader(self) -> Reader:
        return READERS[self.name]


def choose(source: Source, name: str = "auto") -> FormatChoice:
    """The reader for a source, by looking or by name.

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
        return FormatChoice(name, "named with --format")
    with source_folders.remember_listings():
        matches = _detect_all(source.path)
        if not matches:
            unsupported.refuse(source.path)
    (first_name, evidence), *other_matches = matches.items()
    return FormatChoice(first_name, evidence, tuple(name for name, _ in other_matches))


def _choose_by_columns(source: Source, name: str) -> FormatChoice:
    """CSV of any columns, which are named, not detected."""
    if name not in ("auto", _BY_COLUMNS):
        raise DataError(f"--format {name}: --columns is for --format {_BY_COLUMNS}", "Leave one of the two out.")
    any_csv.require(source)
    return FormatChoice(_BY_COLUMNS, "its columns are named with --columns")


def _detect_all(path: Path) -> dict[str, str]:
    """The evidence for each format that a file or folder looks like."""
    return {name: evidence for name, reader in READERS.items() if (evidence := reader.detect(path))}


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
