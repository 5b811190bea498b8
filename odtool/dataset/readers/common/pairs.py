"""Annotation files paired with images by name: where the images lie, and which of them have no annotation file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common.lookup import Places, placed, sample
from odtool.dataset.readers.common.source_folders import Folder, image_folders, split_within, walk
from odtool.dataset.types import Problem, Source

_MOST = 50
"""Folders farther away in which an image is looked for."""


@dataclass(frozen=True)
class Pairs:
    """The annotation files of a source, by folder."""

    files: Mapping[Path, Sequence[Path]]
    """Folder → annotation files in it."""
    places: Mapping[Path, Places]
    """Folder → where its images may lie."""
    images: Mapping[Path, Mapping[str, Path]]
    """Folder → images in it by their names without extension."""


def pair(files: Iterable[Path], source: Source, names: Sequence[str]) -> Pairs:
    """Pairs folders of annotation files with folders of images.

    Args:
        names: what folders of images are called where this format is used, the likeliest first.
    """
    by_folder: dict[Path, list[Path]] = {}
    for file in files:
        by_folder.setdefault(file.parent, []).append(file)
    folders = list(walk(source.images or source.root))
    with_images = image_folders(folders)
    places = {folder: _places(folder, there, source, with_images, names) for folder, there in by_folder.items()}
    return Pairs(by_folder, places, {folder.path: images for folder in folders if (images := _images(folder))})


def _images(folder: Folder) -> dict[str, Path]:
    return {path.stem: path for path in folder.ending(*EXTENSIONS)}


def _places(
    folder: Path, files: Sequence[Path], source: Source, with_images: list[Path], names: Sequence[str]
) -> Places:
    near = [folder]
    if source.images is None:
        for above in (folder.parent, folder.parent.parent):
            if above.is_relative_to(source.root.parent):
                inner = folder.relative_to(above).parts[1:]
                near += [place for name in names for place in (above.joinpath(name, *inner), above / name)]
    inside = set(with_images)
    near = [place for place in near if place in inside or (_beside(place, source) and place.is_dir())]
    rest = sorted(with_images, key=lambda place: _distance(place, folder, source, names))
    return placed(near, rest[:_MOST], folder, source, names=sample([file.stem for file in files]))


def _beside(place: Path, source: Source) -> bool:
    """Outside the source, as images/ is where the source is the folder of labels beside it."""
    return not place.is_relative_to(source.root)


def _distance(place: Path, folder: Path, source: Source, names: Sequence[str]) -> tuple[int, int, int]:
    """Small for a folder of images of the same split, with one of the names, close by."""
    root = source.images or source.root
    own, other = split_within(folder, source.root), split_within(place, root)
    shared = len([1 for one, two in zip(place.parts, folder.parts, strict=False) if one == two])
    name = names.index(place.name) if place.name in names else len(names)
    return (0 if own == other else 1, name, -shared)


def without_annotation(pairs: Pairs) -> Iterator[Problem]:
    """Images that no annotation file goes with: nobody has looked at them, so they are no background.

    One problem an image in folders where others have annotations, one a folder where none has.
    """
    annotated: dict[Path, set[str]] = {}
    for folder, files in pairs.files.items():
        named = {file.stem for file in files}
        places = pairs.places[folder].folders
        home = next((place for place in places if named & pairs.images.get(place, {}).keys()), None)
        if home is not None:
            annotated.setdefault(home, set()).update(named)
    for place, images in pairs.images.items():
        if place not in annotated:
            yield Problem("file_skipped", place, f"{len(images)} images, none with an annotation file")
            continue
        for stem in sorted(images.keys() - annotated[place]):
            yield Problem("annotation_missing", images[stem], "an image without annotation file")
