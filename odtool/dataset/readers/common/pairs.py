"""Annotation files paired with images by name: where the images lie, and which of them have no annotation file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import faults
from odtool.dataset.readers.common.lookup import FoundImage, Places, find_places, sample_names
from odtool.dataset.readers.common.source_folders import Folder, find_split, select_image_folders, walk
from odtool.dataset.readers.namesakes.contender import Stated
from odtool.dataset.types import AnnotatedImage, Deferred, Finding, ObjectAnnotation, Problem, Source
from odtool.units import format_count

_MOST = 50
"""Folders farther away in which an image is looked for."""


@dataclass(frozen=True)
class AnnotationFile:
    """What the annotation file of one image says."""

    filename: str
    """The image's name; empty where the file gives none."""
    size: tuple[int, int] | None
    objects: tuple[ObjectAnnotation, ...]
    problems: tuple[tuple[str, str], ...]
    """Kind and detail of each."""


@dataclass(frozen=True)
class Pairs:
    """The annotation files of a source, by folder."""

    files: Mapping[Path, Sequence[Path]]
    """Folder → annotation files in it."""
    places: Mapping[Path, Places]
    """Folder → where its images may lie."""
    images: Mapping[Path, Mapping[str, Path]]
    """Folder → images in it by their names without extension."""


def pair_files(
    files: Iterable[Path],
    source: Source,
    names: Sequence[str],
    state_size: Callable[[Path], tuple[int, int] | None] = lambda _: None,
) -> Pairs:
    """Pairs folders of annotation files with folders of images.

    Args:
        names: what folders of images are called where this format is used, the likeliest first.
        state_size: the width and height in pixels that an annotation file states.
    """
    by_folder: dict[Path, list[Path]] = {}
    for file in files:
        by_folder.setdefault(file.parent, []).append(file)
    folders = list(walk(source.images or source.root))
    with_images = select_image_folders(folders)
    places = {
        folder: _find_places(folder, folder_files, source, with_images, names, state_size)
        for folder, folder_files in by_folder.items()
    }
    return Pairs(by_folder, places, {folder.path: images for folder in folders if (images := _index_images(folder))})


def _index_images(folder: Folder) -> dict[str, Path]:
    return {path.stem: path for path in folder.find_files(*EXTENSIONS)}


def _find_places(
    folder: Path,
    files: Sequence[Path],
    source: Source,
    with_images: list[Path],
    names: Sequence[str],
    state_size: Callable[[Path], tuple[int, int] | None],
) -> Places:
    near = [folder]
    if source.images is None:
        for above in (folder.parent, folder.parent.parent):
            if above.is_relative_to(source.root.parent):
                inner = folder.relative_to(above).parts[1:]
                near += [place for name in names for place in (above.joinpath(name, *inner), above / name)]
    inside = set(with_images)
    near = [place for place in near if place in inside or (_lies_outside(place, source) and place.is_dir())]
    farther = sorted(with_images, key=lambda place: _rank(place, folder, source, names))
    sampled = sample_names([file.stem for file in files])
    few = frozenset(sampled)
    by_stem = {file.stem: file for file in files if file.stem in few}
    return find_places(
        near, farther[:_MOST], folder, source, names=sampled, state=lambda stem: Stated(state_size(by_stem[stem]))
    )


def _lies_outside(place: Path, source: Source) -> bool:
    """Outside the source, as images/ is where the source is the folder of labels beside it."""
    return not place.is_relative_to(source.root)


def _rank(place: Path, folder: Path, source: Source, names: Sequence[str]) -> tuple[int, int, int]:
    """Small for a folder of images of the same split, with one of the names, close by."""
    root = source.images or source.root
    folder_split, place_split = find_split(folder, source.root), find_split(place, root)
    shared = len([1 for part, counterpart in zip(place.parts, folder.parts, strict=False) if part == counterpart])
    name = names.index(place.name) if place.name in names else len(names)
    return (0 if folder_split == place_split else 1, name, -shared)


def defer_pairs(
    files: Iterable[Path],
    source: Source,
    names: Sequence[str],
    parse_file: Callable[[Path, str | None, Places, Path, bool], Iterable[AnnotatedImage | Problem]],
    state_size: Callable[[Path], tuple[int, int] | None] = lambda _: None,
) -> Iterator[Finding]:
    """Each annotation file with where its image may lie, to be parsed in a worker; then the images without one.

    Args:
        names: what folders of images are called where this format is used, the likeliest first.
        parse_file: takes the file, its split, the places, the source's root and whether outlines are asked for.
        state_size: the width and height in pixels that an annotation file states.
    """
    pairs = pair_files(files, source, names, state_size)
    for folder, folder_files in pairs.files.items():
        split = find_split(folder, source.root)
        for file in folder_files:
            yield Deferred(parse_file, (file, split, pairs.places[folder], source.root, source.masks))
    if source.path.is_dir():
        yield from report_unannotated(pairs)


def describe_pair(
    annotation: AnnotationFile, path: Path, split: str | None, image: FoundImage, root: Path, dialect: str = ""
) -> Iterator[AnnotatedImage | Problem]:
    """What an annotation file says, with the image found for it, and what is wrong with the two."""
    for kind, detail in annotation.problems:
        yield Problem(kind, path, detail)
    if faults.is_nothing_left(annotation.objects, annotation.problems):
        return
    if image.by_file:
        yield Problem(
            "filename_mismatch", path, f"names '{annotation.filename}', but {image.path.name} has the file's own name"
        )
    if image.outside:
        yield Problem("path_outside", path, f"'{annotation.filename}' leads outside {root}")
    yield AnnotatedImage(
        image.path,
        path,
        annotation.objects,
        split=split,
        declared_size=annotation.size,
        match=image.match,
        dialect=dialect,
    )


def report_unannotated(pairs: Pairs) -> Iterator[Problem]:
    """Images that no annotation file goes with: nobody has looked at them, so they are no background.

    One problem an image in folders where others have annotations, one a folder where none has.
    """
    annotated: dict[Path, set[str]] = {}
    for folder, files in pairs.files.items():
        stems = {file.stem for file in files}
        places = pairs.places[folder].folders
        image_folder = next((place for place in places if stems & pairs.images.get(place, {}).keys()), None)
        if image_folder is not None:
            annotated.setdefault(image_folder, set()).update(stems)
    rivals = {rival.folder: rival.reason for places in pairs.places.values() for rival in places.rivals}
    for place, images in pairs.images.items():
        if place not in annotated and place in rivals:
            yield Problem("image_namesakes", place, rivals[place])
            continue
        if place not in annotated:
            yield Problem("file_skipped", place, f"{format_count(len(images), 'image')}, none with an annotation file")
            continue
        for stem in sorted(images.keys() - annotated[place]):
            yield Problem("annotation_missing", images[stem], "an image without an annotation file")
