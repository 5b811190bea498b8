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
4. What was found by the last part alone, and not near, is a namesake: it gives way to an annotation that names the file
   better (survey/claims.py), and is counted as image_elsewhere where it is outside the nearest folder, too.
5. An annotation file for one image finds it by its own name as well, as far as rule 3 reaches.
6. Where several folders hold files of the names, namesakes/rivals.py tells which of them is meant, before any search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

from odtool.dataset.readers.common.image_names import (
    drop_drive,
    find_declared_folders,
    is_here,
    list_below,
    list_declared_folders,
    list_other_spellings,
)
from odtool.dataset.readers.common.source_folders import count_shared, find_split, measure_distance
from odtool.dataset.readers.namesakes.contender import State, state_nothing
from odtool.dataset.readers.namesakes.image_paths import (
    find_in,
    find_stem,
    get_last_part,
    holds_images,
    is_file,
    is_inside,
    resolve,
)
from odtool.dataset.readers.namesakes.rivals import (
    Rival,
    Settlement,
    may_be_masks,
    settle,
)
from odtool.dataset.readers.namesakes.stated_files import find_stated
from odtool.dataset.types import Match, Problem, Source

_MOST_FOLDERS = 200
"""Folders in which an image is looked for one after the other."""
T = TypeVar("T")
_PROBES = 50
"""Names that are looked for, about, to tell where the images of some annotations lie."""
_FEW_PROBES = 12
"""The same, to tell which of several folders is meant."""


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
    rivals: tuple[Rival, ...] = ()
    """Folders that are left out, though they hold files of the same names."""

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
        return list_below(self.folders, self.near)

    @cached_property
    def nearest(self) -> Path | None:
        """The first folder with images."""
        return next((folder for folder in self.near or self.folders if holds_images(folder)), None)

    def is_elsewhere(self, image: Path) -> bool:
        """Whether an image lies outside the nearest folder, and not beside it either, where nothing is near."""
        if self.near or self.nearest is None:
            return image.parent not in self.near
        return not image.is_relative_to(self.nearest) and image.parent.parent != self.nearest.parent

    def report_rivals(self) -> Iterator[Problem]:
        """The folders that were left out, each with the reason."""
        yield from (Problem("image_namesakes", folder, reason) for folder, reason in self.rivals)


def find_places(
    near: Iterable[Path],
    folders: Sequence[Path],
    place: Path,
    source: Source,
    *,
    split: str | None = None,
    names: Sequence[str] | None = None,
    state: State = state_nothing,
) -> Places:
    """Where the images of the annotations in the folder `place` may lie.

    Args:
        near: where the format has them, the likeliest first.
        folders: all folders with images, the likeliest first.
        split: that of the annotations, where the folder does not say it.
        names: some of those of images or annotation files, of which one must be near; without names, any image.
        state: what annotations say of the image of one of the names.

    Raises:
        DataError: several folders hold files of the names, and nothing says which are meant.
    """
    near, root, base = list(near), source.root, place
    if source.images is not None and place.is_relative_to(root):
        root, place = source.images, source.images / place.relative_to(root)
        near += [place] if place.is_dir() else []
    split = split or find_split(place, root)
    near_folders, closed = _select_holding(near, names)
    is_ranked = bool(near_folders)
    if not near_folders and split:
        near_folders, closed = _select_holding(
            [folder for folder in folders if find_split(folder, root) == split], names
        )
    if not near_folders:
        shared = {folder: count_shared(folder, place) for folder in folders}
        maximum = max([len(root.parts), *shared.values()])
        near_folders, closed = _select_holding(
            [folder for folder in folders if shared[folder] == maximum > len(root.parts)], names
        )
    probes = sample_names(names, _FEW_PROBES) if names else []
    likely = near_folders or list(folders[:_MOST_FOLDERS])
    is_open = len(likely) > 1 or (source.images is None and any(map(may_be_masks, likely)))
    distance = None if is_ranked else measure_distance(place, root, split)
    settlement = settle(likely, probes if is_open else [], (base, root), state, distance)
    if is_ranked and (stated := find_stated(settlement.folders, folders, probes, state)):
        settlement = Settlement((stated, *settlement.folders), settlement.rivals)
    rivals = {rival.folder for rival in settlement.rivals}
    order = dict.fromkeys([*settlement.folders, *near_folders, *near, *folders])
    return Places(
        tuple(folder for folder in order if folder not in rivals),
        settlement.folders if near_folders else (),
        closed,
        base,
        root,
        settlement.rivals,
    )


def sample_names(names: Sequence[T], count: int = _PROBES) -> list[T]:
    """Names, or their numbers, from all parts of a list, enough to tell which folders hold its images."""
    return list(names[:: max(1, len(names) // count)])


def _select_holding(folders: Iterable[Path], names: Sequence[str] | None) -> tuple[list[Path], bool]:
    """The folders with images, if these are of the names, and whether they are of at least half of them."""
    candidates = list(filter(holds_images, dict.fromkeys(folders)))[:_MOST_FOLDERS]
    if names is None:
        return candidates, True
    count = len([name for name in names if find_in(get_last_part(name), candidates)])
    return candidates if count else [], 2 * count >= len(names)


class FoundImage(NamedTuple):
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


def find_image(name: str, places: Places | Sequence[Path], *, within: Path) -> FoundImage:
    """The image that an annotation names.

    A name is untrusted: what leads outside `within` is never opened; its last part is looked for instead.
    Absolute paths, usually of another machine, are used only where they lead inside. The extension may be wrong.
    """
    if not isinstance(places, Places):
        places = _make_places(tuple(places))
    name = name.strip().replace("\\", "/")
    image = _find(name, places, within)
    if not image.exists:
        for spelling in list_other_spellings(name):
            if (other_image := _find(spelling, places, within)).exists:
                return other_image
    return image


def find_own_image(name: str, file: Path, places: Places, *, within: Path, by_file: bool = False) -> FoundImage:
    """The image of an annotation file that stands for one: the one that it names, else the one with its own name.

    Args:
        by_file: whether the file's own name comes first, as in VOC, where names go stale when files are renamed.
    """
    image = find_image(name or file.stem, places, within=within)
    if image.exists and image.match != "named" and image.path.parent in places.near:
        image = image._replace(match="named")
    if image.exists and image.match == "named" and not (by_file and image.path.stem != file.stem):
        return image
    namesake = find_file_image(file, places)
    if namesake.exists and (namesake.match == "named" or (image.match != "named" and (by_file or not image.exists))):
        is_other_name = PurePosixPath(name.replace("\\", "/")).stem != file.stem
        return namesake._replace(outside=image.outside, by_file=is_other_name or not by_file)
    return image


def find_file_image(file: Path, places: Places) -> FoundImage:
    """The image that has the name of an annotation file, but for the extension."""
    path, match = _search(places, lambda folders: find_stem(file.stem, folders), "named")
    expected_path = (*places.folders, file.parent)[0] / f"{file.stem}.png"
    return FoundImage(path or expected_path, path is not None, match=match)


@lru_cache(maxsize=64)
def _make_places(folders: tuple[Path, ...]) -> Places:
    return Places(folders)


def _find(name: str, places: Places, within: Path) -> FoundImage:
    if "/" in name:
        return _find_by_path(drop_drive(name), places, within)
    for folder in places.near:  # most images are here, and found before anything else is asked
        if is_file(f"{folder}/{name}"):
            return FoundImage(folder / name, True)
    return _find_by_last_part(name, places, within)


def _find_by_path(plain: str, places: Places, within: Path) -> FoundImage:
    last = get_last_part(plain)
    parts = list_declared_folders(plain)
    folders, all_parts = find_declared_folders(places.folders, parts, places.root or within) if parts else ((), False)
    close = tuple(folder for folder in folders if folder in places.close)
    folders = close or folders
    absolute, outside = plain.startswith("/"), False
    bases = ((places.base,) if places.base else ()) + places.folders[:_MOST_FOLDERS]
    for base, candidate in resolve(plain, [*bases, *folders]):
        if not is_inside(candidate, within, places.folders):
            outside = outside or not absolute
        elif is_file(candidate) and (absolute or not close or base == places.base or Path(candidate).parent in close):
            return FoundImage(Path(candidate), True)
    if last in ("", ".", ".."):
        return FoundImage(within / "(no name)", False, outside)
    if folders:
        image = find_in(last, folders)
        match: Match = "named" if all_parts and not absolute else "namesake"
        return FoundImage(image, True, outside, match=match) if image else FoundImage(folders[0] / last, False, outside)
    if parts and not absolute and ".." not in plain.split("/") and is_here(plain.rpartition("/")[0], (within, *bases)):
        return FoundImage(within / plain, False, outside)
    by_last_part = _find_by_last_part(last, places, within, "namesake" if parts else "named")._replace(outside=outside)
    if by_last_part.exists or absolute or outside:
        return by_last_part
    return by_last_part._replace(path=(places.base or within) / plain)  # expected where the annotation says


def _find_by_last_part(last: str, places: Places, within: Path, match: Match = "named") -> FoundImage:
    if last in ("", ".", ".."):
        return FoundImage(within / "(no name)", False)
    path, match = _search(places, lambda folders: find_in(last, folders), match)
    return (
        FoundImage(path, True, match=match)
        if path
        else FoundImage((*places.folders, within)[0] / last, False, match=match)
    )


def _search(places: Places, look: Callable[[Sequence[Path]], Path | None], match: Match) -> tuple[Path | None, Match]:
    """What is near, of which the match is as given; else what is a namesake."""
    if path := look(places.near):
        return path, match
    if path := look(places.farther):
        return path, "elsewhere" if places.is_elsewhere(path) else "namesake"
    return None, "named" if places.near and places.closed else "namesake"
