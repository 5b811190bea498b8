"""What an annotation's name for its image says of folders, and how else it may be spelt."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from urllib.parse import unquote


def list_other_spellings(name: str) -> Iterator[str]:
    """macOS takes accents apart, which most others leave whole; and names pass through URLs."""
    forms = [] if name.isascii() else [unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)]
    yield from (form for form in dict.fromkeys([*forms, unquote(name)]) if form != name)


def drop_drive(name: str) -> str:
    """A path with slashes, as C:/set/a.jpg, without the letter of Windows."""
    return name[2:] if name[1:3] == ":/" else name


def list_declared_folders(name: str) -> tuple[str, ...]:
    """The folders that a path with slashes speaks of, from the outside in."""
    return tuple(part for part in PurePosixPath(name).parts[:-1] if part not in ("/", ".", ".."))


@lru_cache(maxsize=64)
def find_declared_folders(
    folders: tuple[Path, ...], parts: tuple[str, ...], root: Path
) -> tuple[tuple[Path, ...], bool]:
    """Those of the folders that the parts speak of, and whether all parts are in their paths.

    They end with more of the parts than the others, or lie below one that does, below the root. None do where the
    parts are of another machine. Folders that end so themselves come first; equals keep their order.
    """
    likeness = {folder: _measure_likeness(folder, parts, root) for folder in folders}
    maximum = max((count for count, _ in likeness.values()), default=0)
    if not maximum:
        return (), False
    best = [folder for folder in folders if likeness[folder][0] == maximum]
    return tuple(sorted(best, key=lambda folder: likeness[folder][1])), maximum == len(parts)


def _measure_likeness(folder: Path, parts: tuple[str, ...], root: Path) -> tuple[int, int]:
    """With how many of the parts the folder or one above it, below the root, ends, and how far above that is."""
    likeness, path = (0, 0), folder.parts
    outermost = len(root.parts) if folder.is_relative_to(root) else len(path) - 1
    for length in range(len(path), outermost, -1):
        count = 0
        while count < min(length, len(parts)) and path[length - 1 - count] == parts[-1 - count]:
            count += 1
        if count > likeness[0]:
            likeness = (count, len(path) - length)
    return likeness


@lru_cache(maxsize=64)
def list_below(folders: tuple[Path, ...], near: tuple[Path, ...]) -> frozenset[Path]:
    """Those of the folders that are near, or lie below what is."""
    tops = set(near)
    return frozenset(folder for folder in folders if not tops.isdisjoint((folder, *folder.parents)))


@lru_cache(maxsize=64)
def is_here(folder: str, bases: tuple[Path, ...]) -> bool:
    """Whether a relative folder is there, seen from one of the bases."""
    try:
        return any(os.path.isdir(os.path.normpath(f"{base}/{folder}")) for base in bases)  # noqa: PTH112 - of many
    except ValueError:  # a NUL in the name, before Python 3.12
        return False
