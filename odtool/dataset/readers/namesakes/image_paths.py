"""Which image files are where: by a full name, by a stem with any ending of images, or any at all in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common.image_names import list_other_spellings

_SPELT = tuple(spelt for extension in EXTENSIONS for spelt in (extension, extension.upper()))
_MOST_INDEXES = 200
"""Folders whose images are remembered without letter case."""


def get_last_part(name: str) -> str:
    """A name without its folders, whoever's slashes it has."""
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def find_in(last: str, folders: Sequence[Path]) -> Path | None:
    """The image of this name in one of the folders, else one with another extension, else in other letter case."""
    stem = _get_stem(last)
    return find_as_spelt(last, folders) or _find_in_other_case(last, stem, folders)


def find_as_spelt(last: str, folders: Sequence[Path]) -> Path | None:
    """The image of this name in one of the folders, else one with another extension."""
    for folder in folders:
        if is_file(f"{folder}/{last}"):
            return folder / last
    return find_stem(_get_stem(last), folders)


def _get_stem(last: str) -> str:
    return PurePosixPath(last).stem if last.lower().endswith(EXTENSIONS) else last


def _find_in_other_case(last: str, stem: str, folders: Sequence[Path]) -> Path | None:
    """The image whose name differs in letter case alone: Windows and macOS take it for the same, and so do lists."""
    for folder in folders:
        names = _index_images(folder, _get_time(folder)).get(stem.casefold(), ())
        candidates = [name for name in names if name.casefold() == last.casefold()] or names
        if len(candidates) == 1:
            return folder / candidates[0]
    return None


def _get_time(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=_MOST_INDEXES)
def _index_images(folder: Path, _changed: int) -> dict[str, tuple[str, ...]]:
    """A folder's images by their stems without letter case; made where no other spelling leads to an image."""
    names: dict[str, tuple[str, ...]] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.lower().endswith(EXTENSIONS):
                    key = PurePosixPath(entry.name).stem.casefold()
                    names[key] = (*names.get(key, ()), entry.name)
    except OSError:
        return {}
    return names


def find_stem(stem: str, folders: Sequence[Path]) -> Path | None:
    """The image with this name and any usual extension."""
    names = [stem] if stem.isascii() else [stem, *list_other_spellings(stem)]
    for spelling in names:
        for folder in folders:
            for extension in _SPELT:
                if is_file(f"{folder}/{spelling}{extension}"):
                    return folder / (spelling + extension)
    return None


def holds_images(folder: Path) -> bool:
    """Whether any image lies in a folder."""
    try:
        with os.scandir(folder) as entries:
            return any(entry.name.lower().endswith(EXTENSIONS) and entry.is_file() for entry in entries)
    except OSError:
        return False


# Text in place of Path objects from here on: all this is done for each image in several folders.


def resolve(name: str, bases: Sequence[Path]) -> Iterator[tuple[Path | None, str]]:
    """The places that a name leads to, each with the folder that it is seen from; an absolute one leads to one."""
    if name.startswith("/"):
        yield None, os.path.normpath(name)
        return
    for base in bases:
        yield base, os.path.normpath(f"{base}/{name}")


def is_inside(path: str, within: Path, folders: Sequence[Path]) -> bool:
    """Whether the path lies below the source or one of the image folders, by its spelling.

    Links within a source are the user's own and are followed.
    """
    return any(path.startswith(f"{os.path.normpath(root)}/") for root in (within, *folders))


def is_file(path: str) -> bool:
    """Whether there is a file; False for what no path can be."""
    try:
        return os.path.isfile(path)  # noqa: PTH113 - see above
    except ValueError:  # a NUL in the name, before Python 3.12
        return False
