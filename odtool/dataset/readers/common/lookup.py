"""Where the image lies that an annotation names.

A file of the right name in a folder that is not meant is another image: its pixels under these boxes would be trained
on without a word. So an image that is missing is not replaced by a namesake, while what real exports name by paths of
another machine (C:\\Users\\me\\imgs\\0.jpg) goes on being found.

1. Where the path as it is given leads to a file, that is the image.
2. Where folders that the name speaks of are here, though those above them may not be, it lies in one of them or below
   it, or nowhere. Of several, those near to the annotation are meant.
3. Of a name without folders, or with none that are here, the last part counts. Where images of the annotations are
   near (in their own folder, one that goes with it, those of their split), the image lies in one of these or below it,
   or nowhere; where none is near, or less than half of them are, in any folder, the likeliest first.
4. What was found by the last part alone, and not near, is a namesake. It gives way to an annotation that names the
   same file better (claims.py), and is counted as image_elsewhere where it is outside the nearest folder, too.
5. An annotation file for one image finds it by its own name as well, as far as rule 3 reaches.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common.image_names import is_here, meant, other_spellings, said, without_drive
from odtool.dataset.readers.common.source_folders import split_within
from odtool.dataset.types import Match, Source

_SPELT = tuple(spelt for extension in EXTENSIONS for spelt in (extension, extension.upper()))
_MOST_FOLDERS = 200
"""Folders in which an image is looked for one after the other."""
_PROBES = 50
"""Names that are looked for, about, to tell where the images of some annotations lie."""


@dataclass(frozen=True)
class Places:
    """Where the images of some annotations may lie."""

    folders: tuple[Path, ...]
    """The likeliest first."""
    near: tuple[Path, ...] = ()
    """Those that go with the annotations by where they lie or what they are called, and hold images of theirs."""
    closed: bool = True
    """Whether at least half of their images are near, so that one that is not there is missing."""
    base: Path | None = None
    """The annotations' own folder, from which a relative path usually leads."""
    root: Path | None = None
    """What all of the set's images lie in. Where that lies is no part of what a name says."""

    @cached_property
    def farther(self) -> tuple[Path, ...]:
        """Where a name is looked for that is not near: below what is near; anywhere where nothing is."""
        if not (self.near and self.closed):
            return self.folders[:_MOST_FOLDERS]
        below = [folder for folder in self.folders if folder in self.close and folder not in self.near]
        return tuple(below[:_MOST_FOLDERS])

    @cached_property
    def close(self) -> frozenset[Path]:
        """What is near, and what lies below it."""
        return _below(self.folders, self.near)

    @cached_property
    def nearest(self) -> Path | None:
        """The first folder with images."""
        return next((folder for folder in self.near or self.folders if holds_images(folder)), None)

    def is_elsewhere(self, image: Path) -> bool:
        """Whether an image lies outside the nearest folder, and not beside it either, where nothing is near."""
        if self.near or self.nearest is None:
            return image.parent not in self.near
        return not image.is_relative_to(self.nearest) and image.parent.parent != self.nearest.parent


def placed(
    near: Iterable[Path],
    others: Sequence[Path],
    place: Path,
    source: Source,
    *,
    split: str | None = None,
    names: Sequence[str] | None = None,
) -> Places:
    """Where the images of the annotations in the folder `place` may lie.

    Args:
        near: where the format has them, the likeliest first.
        others: all folders with images, the likeliest first.
        split: that of the annotations, where the folder does not say it.
        names: some of those of images or annotation files, of which one must be near; without names, any image.
    """
    near, root, base = list(near), source.root, place
    if source.images is not None and place.is_relative_to(root):
        root, place = source.images, source.images / place.relative_to(root)
        near += [place] if place.is_dir() else []
    split = split or split_within(place, root)
    found, closed = _holding(near, names)
    if not found and split:
        found, closed = _holding([folder for folder in others if split_within(folder, root) == split], names)
    if not found:
        shared = {folder: _shared(folder, place) for folder in others}
        most = max([len(root.parts), *shared.values()])
        found, closed = _holding([folder for folder in others if shared[folder] == most > len(root.parts)], names)
    return Places(tuple(dict.fromkeys([*found, *near, *others])), tuple(found), closed, base, root)


def sample(names: Sequence[str]) -> list[str]:
    """Names from all parts of a list, enough to tell which folders hold its images."""
    return list(names[:: max(1, len(names) // _PROBES)])


def _shared(one: Path, other: Path) -> int:
    """Folders that both paths begin with."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one.parts, other.parts, strict=False))))


def holds_images(folder: Path) -> bool:
    """Whether any image lies in a folder."""
    try:
        with os.scandir(folder) as entries:
            return any(entry.name.lower().endswith(EXTENSIONS) and entry.is_file() for entry in entries)
    except OSError:
        return False


def _holding(folders: Iterable[Path], names: Sequence[str] | None) -> tuple[list[Path], bool]:
    """The folders with images, if these are of the names, and whether they are of at least half of them."""
    there = list(filter(holds_images, dict.fromkeys(folders)))[:_MOST_FOLDERS]
    if names is None:
        return there, True
    count = len([name for name in names if _in(_last(name), there)])
    return there if count else [], 2 * count >= len(names)


class Found(NamedTuple):
    """Where an image lies. A tuple, as one is made for each image."""

    path: Path
    """An existing file, or where it was expected first."""
    exists: bool
    outside: bool = False
    """The name led outside the folders and only its last part was used."""
    by_file: bool = False
    """It was found by the annotation file's name, which is not what the annotation says."""
    match: Match = "named"
    """How sure it is; of an image that is not there, 'named' where it is known in which folder it should be."""


def find_image(name: str, places: Places | Sequence[Path], *, within: Path) -> Found:
    """The image that an annotation names.

    A name is untrusted: what leads outside `within` is never opened; its last part is looked for instead.
    Absolute paths, usually of another machine, are used only where they lead inside. The extension may be wrong.
    """
    if not isinstance(places, Places):
        places = _unplaced(tuple(places))
    name = name.strip().replace("\\", "/")
    found = _found(name, places, within)
    if not found.exists:
        for other in other_spellings(name):
            if (again := _found(other, places, within)).exists:
                return again
    return found


def find_own(name: str, file: Path, places: Places, *, within: Path, by_file: bool = False) -> Found:
    """The image of an annotation file that stands for one: the one that it names, else the one with its own name.

    Args:
        by_file: whether the file's own name comes first, as in VOC, where names go stale when files are renamed.
    """
    found = find_image(name or file.stem, places, within=within)
    if found.exists and found.match != "named" and found.path.parent in places.near:
        found = found._replace(match="named")
    if found.exists and found.match == "named" and not (by_file and found.path.stem != file.stem):
        return found
    own = find_beside(file, places)
    if own.exists and (own.match == "named" or (found.match != "named" and (by_file or not found.exists))):
        other = PurePosixPath(name.replace("\\", "/")).stem != file.stem
        return own._replace(outside=found.outside, by_file=other or not by_file)
    return found


def find_beside(file: Path, places: Places) -> Found:
    """The image that has the name of an annotation file, but for the extension."""
    path, match = _search(places, lambda folders: find_stem(file.stem, folders), "named")
    expected = (*places.folders, file.parent)[0] / f"{file.stem}.png"
    return Found(path or expected, path is not None, match=match)


@lru_cache(maxsize=64)
def _below(folders: tuple[Path, ...], near: tuple[Path, ...]) -> frozenset[Path]:
    tops = set(near)
    return frozenset(folder for folder in folders if not tops.isdisjoint((folder, *folder.parents)))


@lru_cache(maxsize=64)
def _unplaced(folders: tuple[Path, ...]) -> Places:
    return Places(folders)


def _found(name: str, places: Places, within: Path) -> Found:
    if "/" in name:
        return _by_path(without_drive(name), places, within)
    for folder in places.near:  # most images are here, and found before anything else is asked
        if _is_file(f"{folder}/{name}"):
            return Found(folder / name, True)
    return _by_last_part(name, places, within)


def _by_path(plain: str, places: Places, within: Path) -> Found:
    last = _last(plain)
    parts = said(plain)
    meant_here, whole = meant(places.folders, parts, places.root or within) if parts else ((), False)
    close = tuple(folder for folder in meant_here if folder in places.close)
    meant_here = close or meant_here
    absolute, outside = plain.startswith("/"), False
    bases = ((places.base,) if places.base else ()) + places.folders[:_MOST_FOLDERS]
    for base, candidate in _as_given(plain, [*bases, *meant_here]):
        if not _inside(candidate, within, places.folders):
            outside = outside or not absolute
        elif _is_file(candidate) and (absolute or not close or base == places.base or Path(candidate).parent in close):
            return Found(Path(candidate), True)
    if last in ("", ".", ".."):
        return Found(within / "(no name)", False, outside)
    if meant_here:
        image = _in(last, meant_here)
        match: Match = "named" if whole and not absolute else "namesake"
        return Found(image, True, outside, match=match) if image else Found(meant_here[0] / last, False, outside)
    if parts and not absolute and ".." not in plain.split("/") and is_here(plain.rpartition("/")[0], (within, *bases)):
        return Found(within / plain, False, outside)
    return _by_last_part(last, places, within, "namesake" if parts else "named")._replace(outside=outside)


def _by_last_part(last: str, places: Places, within: Path, match: Match = "named") -> Found:
    if last in ("", ".", ".."):
        return Found(within / "(no name)", False)
    path, match = _search(places, lambda folders: _in(last, folders), match)
    return Found(path, True, match=match) if path else Found((*places.folders, within)[0] / last, False, match=match)


def _search(places: Places, look: Callable[[Sequence[Path]], Path | None], match: Match) -> tuple[Path | None, Match]:
    """What is near, of which the match is as given; else what is a namesake."""
    if path := look(places.near):
        return path, match
    if path := look(places.farther):
        return path, "elsewhere" if places.is_elsewhere(path) else "namesake"
    return None, "named" if places.near and places.closed else "namesake"


def _last(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def _in(last: str, folders: Sequence[Path]) -> Path | None:
    """The image of this name in one of the folders, else one with another extension."""
    for folder in folders:
        if _is_file(f"{folder}/{last}"):
            return folder / last
    return find_stem(PurePosixPath(last).stem if last.lower().endswith(EXTENSIONS) else last, folders)


def find_stem(stem: str, folders: Sequence[Path]) -> Path | None:
    """The image with this name and any usual extension."""
    names = [stem] if stem.isascii() else [stem, *other_spellings(stem)]
    for spelt in names:
        for folder in folders:
            for extension in _SPELT:
                if _is_file(f"{folder}/{spelt}{extension}"):
                    return folder / (spelt + extension)
    return None


# Text in place of Path objects from here on: all this is done for each image in several folders.


def _as_given(name: str, bases: Sequence[Path]) -> Iterator[tuple[Path | None, str]]:
    if name.startswith("/"):
        yield None, os.path.normpath(name)
        return
    for base in bases:
        yield base, os.path.normpath(f"{base}/{name}")


def _inside(path: str, within: Path, folders: Sequence[Path]) -> bool:
    """Whether the path lies below the source or one of the image folders, by its spelling.

    Links within a source are the user's own and are followed.
    """
    return any(path.startswith(f"{os.path.normpath(root)}/") for root in (within, *folders))


def _is_file(path: str) -> bool:
    try:
        return os.path.isfile(path)  # noqa: PTH113 - see above
    except ValueError:  # a NUL in the name, before Python 3.12
        return False
