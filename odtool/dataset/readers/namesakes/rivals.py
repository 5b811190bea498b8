"""Which of several folders holds the images of some annotations, where they hold files of the same names.

Photographs lie beside their masks, depth maps or thumbnails under the same names, and a box on the wrong picture is
worse than none. The first of these that leaves one folder decides:

1. what annotations state of a file: its size in bytes or in pixels;
2. how the folders show themselves: those with masks, depth or labels in their name, or with pictures of one channel or
   a palette beside others in colour, hold no photographs;
3. how many of the annotations' images a folder has;
4. the names that folders of images have everywhere (images, JPEGImages).

Files are opened only where several fit, and only a few of each folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from odtool.dataset.images import image_file
from odtool.dataset.images.image_file import ImageError, ImageHeader
from odtool.dataset.readers.namesakes.image_paths import find_as_spelt, find_in, get_last_part
from odtool.errors import DataError

_OPENED = 5
"""Files of a folder that are looked into."""
_STATED = 3
"""Names for which a folder farther away is looked for."""
_FAR = 20
"""Such folders, the likeliest first."""
_TWICE = 2
"""Times as many images in another folder outweigh what a format says of the likeliest."""
_NOT_PHOTOGRAPHS = re.compile(
    r"(?:^|[^a-z])(?:masks?|depths?|segs?|segmentations?|segmentation(?:class|object)|labels?|annotations?|gt|groundtruth"
    r"|disparity|normals|overlays?|visuali[sz]ations?|vis|thumbs?|thumbnails?|previews?)(?:[^a-z]|$)"
)
"""In a folder's name, in lower case."""
_PHOTOGRAPHS = frozenset(
    ("images", "image", "imgs", "img", "jpegimages", "photos", "photo", "pictures", "rgb", "frames")
)


class Stated(NamedTuple):
    """What an annotation says of its image's file."""

    size: tuple[int, int] | None = None
    """Width and height in pixels."""
    bytes: int | None = None


State = Callable[[str], Stated]
"""What annotations say of the image of a name."""


def state_nothing(_name: str) -> Stated:
    """For formats that state nothing."""
    return Stated()


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


@dataclass
class _Contender:
    """A folder with files whose names others have, too."""

    folder: Path
    files: dict[str, Path]
    """By the names that annotations have."""
    count: int
    """Of all names that were looked for, those that it has."""
    _headers: dict[Path, ImageHeader | None] = field(default_factory=dict)

    def read_header(self, name: str) -> ImageHeader | None:
        """That of its file; None where it is no image."""
        path = self.files[name]
        if path not in self._headers:
            try:
                self._headers[path] = image_file.read_header(path)
            except ImageError:
                self._headers[path] = None
        return self._headers[path]

    def agrees(self, name: str, stated: Stated) -> bool:
        """Whether its file is as stated, in bytes or, turned or not, in pixels."""
        header = self.read_header(name)
        if header is None:
            return False
        if stated.bytes is not None:
            return header.bytes == stated.bytes
        return stated.size in ((header.width, header.height), (header.height, header.width))

    def was_resized(self, name: str, stated: Stated) -> bool:
        """Whether its file has the shape, though not the size, that is stated in pixels."""
        header = self.read_header(name)
        if header is None or stated.size is None or stated.bytes is not None:
            return False
        (width, height) = stated.size
        return abs(width * header.height - height * header.width) <= max(width, height, header.width, header.height)

    def is_flat(self, names: Iterable[str]) -> bool:
        """Whether its pictures have one channel or a palette."""
        headers = [header for name in names if name in self.files and (header := self.read_header(name))]
        return bool(headers) and all(header.channels == 1 or header.palette for header in headers)


def settle(
    folders: Sequence[Path],
    candidates: Mapping[str, Sequence[Path]],
    state: State,
    *,
    is_ranked: bool,
    whose: Path,
) -> Settlement:
    """The folders in order, without those that hold other files of the same names.

    Args:
        folders: where images may lie, the likeliest first.
        candidates: by name, those of the folders in which its image may lie.
        is_ranked: whether the format itself says that the first is the likeliest.
        whose: what is named in the error.

    Raises:
        DataError: nothing says which folder is meant.
    """
    held = _find_held(candidates)
    contested = [name for name, files in held.items() if len(files) > 1]
    counts = {folder: sum(folder in files for files in held.values()) for folder in folders}
    if not contested:
        order = folders if is_ranked else sorted(folders, key=lambda folder: -counts[folder])
        return Settlement(tuple(order))
    contenders = [
        _Contender(folder, {name: held[name][folder] for name in contested if folder in held[name]}, counts[folder])
        for folder in folders
        if any(folder in held[name] for name in contested)
    ]
    left, rivals = _eliminate(contenders, contested[:_OPENED], state, is_ranked=is_ranked)
    if len(left) > 1 and not is_ranked and not _are_the_same(left, contested[:_OPENED]):
        raise _undecided(left, contested, whose)
    out = {rival.folder for rival in rivals}
    first = [contender.folder for contender in left]
    return Settlement((*first, *(folder for folder in folders if folder not in out and folder not in first)), rivals)


def find_stated(near: Sequence[Path], others: Sequence[Path], names: Sequence[str], state: State) -> Path | None:
    """A folder farther away whose files are as annotations state them, where those of these names near are not."""
    few = names[:_STATED]
    held = {
        folder: _find_all(few, folder) for folder in [*near, *[other for other in others if other not in near][:_FAR]]
    }
    holders = [folder for folder, files in held.items() if files and folder not in near]
    stated = {name: facts for name in few if any(facts := state(name))} if holders else {}
    if not stated or any(
        contender.agrees(name, facts) or contender.was_resized(name, facts)
        for contender in (_Contender(folder, held[folder], 0) for folder in near)
        for name, facts in stated.items()
        if name in contender.files
    ):
        return None
    contenders = (_Contender(folder, held[folder], 0) for folder in holders)
    agreeing = [
        contender.folder for contender in contenders if all(map(contender.agrees, stated.keys(), stated.values()))
    ]
    return agreeing[0] if len(agreeing) == 1 else None


def _find_all(names: Sequence[str], folder: Path) -> dict[str, Path]:
    """The files of all the names; none where one is missing."""
    files: dict[str, Path] = {}
    for name in names:
        file = find_as_spelt(get_last_part(name), [folder])
        if file is None:
            return {}
        files[name] = file
    return files


def _find_held(candidates: Mapping[str, Sequence[Path]]) -> dict[str, dict[Path, Path]]:
    """By name, the folders that hold an image of it, each with the file."""
    held: dict[str, dict[Path, Path]] = {}
    for name, folders in candidates.items():
        last = get_last_part(name)
        for find in (find_as_spelt, find_in):
            files = ((folder, find(last, [folder])) for folder in dict.fromkeys(folders))
            held[name] = {folder: file for folder, file in files if file is not None}
            if held[name]:
                break
    return held


def _eliminate(
    contenders: list[_Contender], names: Sequence[str], state: State, *, is_ranked: bool
) -> tuple[list[_Contender], tuple[Rival, ...]]:
    """The contenders that are left, and those that are out, by what makes them so."""
    rivals: list[Rival] = []
    left = _keep_as_stated(contenders, names, state, rivals)
    left = _keep_photographs(left, names, rivals)
    most = max(contender.count for contender in left)
    # Those with fewer may yet hold an image that the others lack: they come later, and are not out.
    if is_ranked:
        return [contender for contender in left if _TWICE * contender.count > most], tuple(rivals)
    left = [contender for contender in left if contender.count == most]
    named = [contender for contender in left if contender.folder.name.lower() in _PHOTOGRAPHS]
    return (named if len(named) == 1 else left), tuple(rivals)


def _keep_as_stated(
    contenders: list[_Contender], names: Sequence[str], state: State, rivals: list[Rival]
) -> list[_Contender]:
    stated = {name: facts for name in names if any(facts := state(name))}
    if not stated or len(contenders) < 2:
        return contenders
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


def _keep_photographs(contenders: list[_Contender], names: Sequence[str], rivals: list[Rival]) -> list[_Contender]:
    if len(contenders) < 2:
        return contenders
    signs = {
        contender.folder: (bool(_NOT_PHOTOGRAPHS.search(contender.folder.name.lower())), contender.is_flat(names))
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
        called = f"'{contender.folder.name}' is what folders of masks or labels are called"
        why = called if by_name and not signs[better[0]][0] else "those have colours, these one channel or a palette"
        rivals.append(Rival(contender.folder, f"{better[0]} has images of the same names, and {why}"))
    return left


def _are_the_same(contenders: Sequence[_Contender], names: Sequence[str]) -> bool:
    """Whether files of one name are the same everywhere, as in copies of a folder."""
    for name in names:
        files = [contender.files[name] for contender in contenders if name in contender.files]
        if len({file.stat().st_size for file in files}) > 1 or len({file.read_bytes() for file in files}) > 1:
            return False
    return True


def _undecided(contenders: Sequence[_Contender], contested: Sequence[str], whose: Path) -> DataError:
    first, second = contenders[0], contenders[1]
    name = next(name for name in contested if name in first.files or name in second.files)
    return DataError(
        f"{whose}: its images may be those in {first.folder} or those in {second.folder}, "
        f"as both have files of the same names, such as {get_last_part(name)}",
        "Name the folder of the images with --images.",
    )
