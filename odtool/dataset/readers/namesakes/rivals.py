"""Which of several folders holds the images of some annotations, where they hold files of the same names.

Photographs lie beside their masks, depth maps or thumbnails under the same names, and a box on the wrong picture is
worse than none. The first of these that leaves one folder decides:

1. what annotations state of a file: its size in bytes or in pixels, or else the folder in which it lay;
2. how the folders show themselves: those with masks, depth or labels in their name, or with pictures of one channel or
   a palette beside others in colour, hold no photographs;
3. which goes with the annotations by where it lies: of their split, in a folder of the same name;
4. how many of the annotations' images a folder has;
5. the names that folders of images have everywhere (images, JPEGImages).

Flat pictures in a folder called masks are no photographs even where there are no others: these are missing then.

Files are opened only where several fit, and only a few of each folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

from odtool.dataset.readers.common.image_names import drop_drive, find_declared_folders, list_declared_folders
from odtool.dataset.readers.namesakes.contender import Contender, State, Stated
from odtool.dataset.readers.namesakes.image_paths import find_as_spelt, find_in, get_last_part, is_file
from odtool.errors import DataError

_OPENED = 5
"""Files of a folder that are looked into."""
_FEW = 3
"""Names for which a folder is looked for at first."""
_NEAREST = 30
"""Folders that may contend, the likeliest first."""
_TWICE = 2
"""Times as many images in another folder outweigh what a format says of the likeliest."""
_NOT_PHOTOGRAPHS = re.compile(
    r"(?:^|[^a-z])(?:masks?|depths?|segs?|segmentations?|segmentation(?:class|object)[a-z]*|labels?|annotations?|gt|groundtruth"
    r"|disparity|normals|overlays?|annotated|visuali[sz]ations?|visuali[sz]ed|vis|pred|predictions?|results?"
    r"|thumbs?|thumbnails?|previews?)(?:[^a-z]|$)"
)
"""In the names of a folder and of those above it that tell it from the others, in lower case."""
_MASKS = re.compile(r"(?:^|[^a-z])(?:masks?|segmentation(?:class|object)[a-z]*)(?:[^a-z]|$)")
"""In the name of a folder whose flat pictures are masks even where no photographs are beside them."""
_PHOTOGRAPHS = frozenset(
    ("images", "image", "imgs", "img", "jpegimages", "photos", "photo", "pictures", "rgb", "frames")
)


Distance: TypeAlias = Callable[[Path], tuple[bool, int, int]]


class Rival(NamedTuple):
    """A folder whose images are not those that annotations mean, though they have their names."""

    folder: Path
    reason: str


@dataclass(frozen=True)
class Settlement:
    """Folders in the order in which images are looked for in them."""

    folders: tuple[Path, ...]
    rivals: tuple[Rival, ...] = ()
    """Those that were left out."""


def settle(
    folders: Sequence[Path],
    names: Sequence[str],
    bases: Sequence[Path],
    state: State,
    distance: Distance | None,
) -> Settlement:
    """The folders in order, without those that hold other files of the same names.

    Args:
        folders: where images may lie, the likeliest first.
        names: some of those that annotations have.
        bases: what relative names lead from: the folder of the annotations, which the error names, and the set's root.
        state: what annotations say of the image of a name.
        distance: smaller for a folder that goes better with the annotations by where it lies; None where the format
            itself says that the first is the likeliest.

    Raises:
        DataError: nothing says which folder is meant.
    """
    # Where there are many folders, each with annotations of its own, looking for all names in all of them took longer
    # than reading: a few names tell which of the nearest folders are looked into.
    few = names[:: max(1, len(names) // _FEW)]
    held = _find_held(few, tuple(folders[:_NEAREST]), bases)
    if obvious := _find_obvious(held, state, distance):
        return Settlement(tuple(dict.fromkeys([obvious, *folders])))
    held = _find_held(names, tuple(dict.fromkeys(folder for files in held.values() for folder in files)), bases)
    contested = [name for name, files in held.items() if len(files) > 1]
    counts = {folder: sum(folder in files for files in held.values()) for folder in folders}
    if not contested:
        masks = tuple(_find_masks(held, bases[0]))
        others = [folder for folder in folders if folder not in {rival.folder for rival in masks}]
        order = others if distance is None else sorted(others, key=lambda folder: -counts[folder])
        return Settlement(tuple(order), masks)
    contenders = [
        Contender(folder, {name: held[name][folder] for name in contested if folder in held[name]}, counts[folder])
        for folder in folders
        if any(folder in held[name] for name in contested)
    ]
    left, rivals = decide(contenders, contested, state, distance, bases[0])
    out = {rival.folder for rival in rivals}
    first = [contender.folder for contender in left]
    return Settlement((*first, *(folder for folder in folders if folder not in out and folder not in first)), rivals)


def decide(
    contenders: list[Contender],
    contested: Sequence[str],
    state: State,
    distance: Distance | None,
    whose: Path,
) -> tuple[list[Contender], tuple[Rival, ...]]:
    """The contenders that are left, and those that are out, by what makes them so; see `settle`.

    Raises:
        DataError: several are left, with different files.
    """
    left, rivals = _eliminate(contenders, contested[:_OPENED], state, distance)
    if len(left) > 1 and distance is not None and not _are_the_same(left, contested[:_OPENED]):
        raise _undecided(left, contested, whose)
    return left, rivals


def may_be_masks(folder: Path) -> bool:
    """Whether a folder is called as those of masks are."""
    return bool(_MASKS.search(folder.name.lower()))


def _find_masks(held: Mapping[str, Mapping[Path, Path]], whose: Path) -> Iterator[Rival]:
    """Folders of masks. What lies beside the annotations themselves is what they mean, whatever it is called."""
    folders = dict.fromkeys(folder for files in held.values() for folder in files)
    for folder in folders:
        if folder == whose or not may_be_masks(folder):
            continue
        files = {name: files[folder] for name, files in held.items() if folder in files}
        if Contender(folder, files, len(files)).is_flat(list(files)[:_OPENED]):
            reason = (
                f"'{folder.name}' is what folders of masks are called, and its pictures have one channel or a palette"
            )
            yield Rival(folder, reason)


def _find_held(names: Sequence[str], folders: tuple[Path, ...], bases: Sequence[Path]) -> dict[str, dict[Path, Path]]:
    """By name, those of the folders that hold an image of it and may be meant, each with the file."""
    held: dict[str, dict[Path, Path]] = {}
    for name in names:
        last, named = get_last_part(name), _find_named(name, folders, bases)
        for find in (find_as_spelt, find_in):
            files = ((folder, find(last, [folder])) for folder in named)
            held[name] = {folder: file for folder, file in files if file is not None}
            if held[name]:
                break
    return held


def _find_named(name: str, folders: tuple[Path, ...], bases: Sequence[Path]) -> Sequence[Path]:
    """Those of the folders in which the image of a name may lie; none where its path alone says where."""
    if "/" not in (plain := drop_drive(name.replace("\\", "/"))):
        return folders
    if any(is_file(f"{base}/{plain}") for base in bases):
        return ()
    return find_declared_folders(folders, list_declared_folders(plain), bases[-1])[0] or folders


def _find_obvious(held: Mapping[str, Mapping[Path, Path]], state: State, distance: Distance | None) -> Path | None:
    """The folder that alone goes with the annotations by where it lies, if nothing speaks against it.

    In sets with a folder for each sequence the others hold files of the same names, too, and need not be opened.
    """
    folders = list(dict.fromkeys(folder for files in held.values() for folder in files))
    if distance is None or not folders:
        return None
    distances = {folder: distance(folder) for folder in folders}
    near = [folder for folder in folders if distances[folder] == min(distances.values())]
    name = next((name for name, files in held.items() if near[0] in files), "")
    if len(near) > 1 or len(folders) == 1 or _NOT_PHOTOGRAPHS.search(near[0].as_posix().lower()):
        return None
    contender, facts = Contender(near[0], {name: held[name][near[0]]}, 1), state(name)
    is_stated = contender.agrees(name, facts) if any(facts[:2]) else facts.folder in ("", near[0].name)
    return near[0] if is_stated and not contender.is_flat([name]) else None


def _eliminate(
    contenders: list[Contender], names: Sequence[str], state: State, distance: Distance | None
) -> tuple[list[Contender], tuple[Rival, ...]]:
    """The contenders that are left, and those that are out, by what makes them so."""
    rivals: list[Rival] = []
    stated = {name: facts for name in names if any(facts := state(name))}
    left = _keep_as_stated(contenders, stated, rivals)
    left = _keep_named(left, stated, rivals)
    left = _keep_photographs(left, names, rivals)
    most = max(contender.count for contender in left)
    # Those with fewer may yet hold an image that the others lack: they come later, and are not out.
    if distance is None:
        return [contender for contender in left if _TWICE * contender.count > most], tuple(rivals)
    nearest = min(distance(contender.folder) for contender in left)
    left = [contender for contender in left if distance(contender.folder) == nearest]
    most = max(contender.count for contender in left)
    left = [contender for contender in left if contender.count == most]
    named = [contender for contender in left if contender.folder.name.lower() in _PHOTOGRAPHS]
    return (named if len(named) == 1 else left), tuple(rivals)


def _keep_as_stated(contenders: list[Contender], stated: Mapping[str, Stated], rivals: list[Rival]) -> list[Contender]:
    agreeing = {
        contender.folder: sum(
            contender.agrees(name, facts) for name, facts in stated.items() if name in contender.files
        )
        for contender in contenders
    }
    most = max(agreeing.values())
    if not most:
        return contenders
    what = "bytes" if any(facts.bytes is not None for facts in stated.values()) else "pixels"
    winners = [contender for contender in contenders if agreeing[contender.folder] == most]
    for contender in contenders:
        if contender not in winners:
            detail = f"the sizes in {what} that annotations state are those of the files in {winners[0].folder}"
            rivals.append(Rival(contender.folder, detail))
    return winners


def _keep_named(contenders: list[Contender], stated: Mapping[str, Stated], rivals: list[Rival]) -> list[Contender]:
    """Those with the name that all annotations give; all where none has it, as folders are renamed."""
    folders = {facts.folder for facts in stated.values()}
    winners = [contender for contender in contenders if {contender.folder.name} == folders]
    if not winners:
        return contenders
    reason = f"the folder that annotations name is {winners[0].folder}"
    rivals.extend(Rival(contender.folder, reason) for contender in contenders if contender not in winners)
    return winners


def _keep_photographs(contenders: list[Contender], names: Sequence[str], rivals: list[Rival]) -> list[Contender]:
    if len(contenders) < 2:
        return contenders
    above = Path(os.path.commonpath([contender.folder for contender in contenders]))
    called = {contender.folder: contender.folder.relative_to(above).as_posix() for contender in contenders}
    signs = {
        contender.folder: (bool(_NOT_PHOTOGRAPHS.search(called[contender.folder].lower())), contender.is_flat(names))
        for contender in contenders
    }
    left = []
    for contender in contenders:
        by_name, by_colour = signs[contender.folder]
        # A folder is out where another is no worse in either and better in one: a gray photograph beside a colourful
        # overlay is not told by its colour alone.
        better = [
            other
            for other, (other_name, other_colour) in signs.items()
            if other_name <= by_name
            and other_colour <= by_colour
            and (other_name, other_colour) != (by_name, by_colour)
        ]
        if not better:
            left.append(contender)
            continue
        why = "those have colours, these one channel or a palette"
        if by_name and not signs[better[0]][0]:
            why = f"'{called[contender.folder]}' is what folders of masks or labels are called"
        rivals.append(Rival(contender.folder, f"{better[0]} has images of the same names, and {why}"))
    return left


def _are_the_same(contenders: Sequence[Contender], names: Sequence[str]) -> bool:
    """Whether files of one name are the same everywhere, as in copies of a folder."""
    for name in names:
        files = [contender.files[name] for contender in contenders if name in contender.files]
        if len({file.stat().st_size for file in files}) > 1 or len({file.read_bytes() for file in files}) > 1:
            return False
    return True


def _undecided(contenders: Sequence[Contender], contested: Sequence[str], whose: Path) -> DataError:
    first, second = contenders[0], contenders[1]
    name = next(name for name in contested if name in first.files or name in second.files)
    return DataError(
        f"{whose}: its images may be those in {first.folder} or those in {second.folder}, "
        f"as both have files of the same names, such as {get_last_part(name)}",
        "Name the folder of the images with --images.",
    )
