"""Which image files are where: by a full name, by a stem with any ending of images, or any at all in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common.image_names import list_other_spellings

_SPELT = tuple(spelt for extension in EXTENSIONS for spelt in (extension, extension.upper()))


def get_last_part(name: str) -> str:
    """A name without its folders, whoever's slashes it has."""
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def find_in(last: str, folders: Sequence[Path]) -> Path | None:
    """The image of this name in one of the folders, else one with another extension."""
    for folder in folders:
        if is_file(f"{folder}/{last}"):
            return folder / last
    return find_stem(PurePosixPath(last).stem if last.lower().endswith(EXTENSIONS) else last, folders)


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
