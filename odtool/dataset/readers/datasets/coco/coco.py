"""COCO JSON: one file, a folder with annotations/, or one file in each split's folder (Roboflow)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from odtool.dataset.readers.common import faults
from odtool.dataset.readers.common.annotation_files import find_annotation_files
from odtool.dataset.readers.common.faults import NoBoxesError
from odtool.dataset.readers.common.lookup import Places, find_image, find_places, sample_names
from odtool.dataset.readers.common.source_folders import find_file_split, select_image_folders, sort_nearest_first, walk
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.common.streams.json_document import JsonDocument
from odtool.dataset.readers.common.streams.overflow import ObjectGroups, open_overflow
from odtool.dataset.readers.datasets.coco import coco_document
from odtool.dataset.readers.datasets.coco.coco_document import CocoFile
from odtool.dataset.readers.namesakes.contender import State, Stated
from odtool.dataset.splits import parse_split
from odtool.dataset.types import AnnotatedImage, Finding, Problem, Source
from odtool.errors import DataError

_KEYS = (b'"images"', b'"annotations"', b'"categories"')
_RANKS = ("instances", "", "person_keypoints", "keypoints", "labels", "stuff", "image_info", "panoptic", "captions")
"""Kinds of COCO files by the beginning of their names ('' is any other), those about objects first. Of several
files for one split the first kind is read, and of the others those with further images."""
_POINTED = ("person_keypoints", "keypoints")
"""Kinds that come before all others where keypoints are asked for."""


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as COCO, or None."""
    if path.is_file():
        return f"{path.name} has images and annotations" if _looks_like(path) else None
    files = [file for folder in walk(path) for file in folder.find_files(".json") if _looks_like(file)]
    if not files:
        return None
    return f"{len(files)} JSON files with images and annotations, such as {min(files, key=_rank_kind)}"


def _looks_like(path: Path) -> bool:
    """`images` with one of the other two; a file cut short, which has lost those, opens with `images` at least."""
    if path.suffix.lower() != ".json":
        return False
    text = input_files.read_ends(path)
    has_key = [key in text for key in _KEYS]
    hidden = any(has_key) or b'"info"' in text or b'"licenses"' in text
    if hidden and not (has_key[0] and any(has_key[1:])) and text.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{"):
        # Long lists hide keys in the middle: LVIS has its images between annotations and categories.
        has_key = input_files.find_words(path, _KEYS)
    opening = text[:200].replace(b" ", b"").replace(b"\n", b"").lstrip(b"\xef\xbb\xbf")
    if not opening.startswith(b"{"):
        return False  # a list of objects with these keys is Label Studio's, whose tasks may have several images
    return (has_key[0] and any(has_key[1:])) or opening.startswith(b'{"images":[')


def read(source: Source) -> Iterator[Finding]:
    """Every image of the chosen JSON files.

    Raises:
        DataError: a file is broken, or none of them has boxes.
    """
    with_images = select_image_folders(list(walk(source.root)))
    files = find_annotation_files(source, ".json", _looks_like)
    main_files = _choose_files(files, source)
    splits = {find_file_split(file, source) for file in main_files}
    substitutes = {
        file: better
        for file in files
        if file not in main_files and (better := _find_substitute(file, main_files, source))
    }
    may_repeat = (len(splits) > 1 and None in splits) or len(main_files) + len(substitutes) < len(files)
    tally = _Tally(set() if may_repeat else None)
    # A file for all beside those of the splits mostly says the same again, as does one of another kind.
    for file in sorted(files, key=lambda file: (file not in main_files, find_file_split(file, source) is None)):
        if file in substitutes:
            yield Problem("file_skipped", file, f"{substitutes[file].name} is read instead")
            continue
        repeats = ""
        if may_repeat and (find_file_split(file, source) is None or file not in main_files):
            repeats = "the files of the splits" if file in main_files else "the files read before it"
        identify = len(files) == 1
        yield from faults.report_broken(_read_file, file, source, with_images, tally, repeats, identify=identify)
    for name in sorted(tally.unused_classes - tally.used_classes):
        yield Problem("class_unused", main_files[0], f"'{name}' is among its categories, but has no object")
    if not main_files:
        raise DataError(f"{source.path}: no JSON with images and annotations", "Name the folder with COCO's files.")
    if tally.reasons and not tally.files:
        raise NoBoxesError(
            f"{source.path}: no bounding boxes: {'; '.join(tally.reasons)}", "Name a COCO file with boxes."
        )


@dataclass
class _Tally:
    """What the files had that have been read."""

    paths: set[str] | None
    """Where their images lie, if that matters."""
    files: int = 0
    """How many had boxes."""
    reasons: list[str] = field(default_factory=list)
    """Why others have none."""
    used_classes: set[str] = field(default_factory=set)
    unused_classes: set[str] = field(default_factory=set)


def _read_file(
    file: Path, source: Source, with_images: list[Path], tally: _Tally, repeats: str, *, identify: bool
) -> Iterator[Finding]:
    """The problems and images of one file.

    Args:
        repeats: what has its images, too, if all of them were met already; '' where that may not be.
        identify: whether its ids name the images. They start again in each file.
    """
    with input_files.open_binary(file) as stream, open_overflow(source.scratch) as overflow:
        document = JsonDocument(stream, file, coco_document.KEYS)
        content = CocoFile(document, ObjectGroups(overflow), with_outlines=source.masks, with_points=source.keypoints)
        if content.skip:
            tally.reasons.append(f"{file.name} {content.skip}")
            yield Problem("file_skipped", file, content.skip)
            return
        tally.files += 1
        images = content.images
        places = _find_places(
            file, source, with_images, sample_names(images.names), lambda name: Stated(images.get_size(name))
        )
        if tally.paths is not None:
            paths = {str(find_image(name, places, within=source.root).path) for name in images.names}
            if repeats and paths <= tally.paths:
                yield Problem("file_skipped", file, f"its images are in {repeats}")
                return
            tally.paths |= paths
        yield from places.report_rivals()
        for kind, detail in content.collect_objects():
            yield Problem(kind, file, detail)
        yield from _describe_images(content, file, places, source, identify=identify)
        tally.used_classes |= content.used
        tally.unused_classes |= content.unused


def _describe_images(
    content: CocoFile, file: Path, places: Places, source: Source, *, identify: bool
) -> Iterator[Finding]:
    split = find_file_split(file, source)
    for image in content:
        match = find_image(image.file_name, places, within=source.root)
        if match.outside:
            yield Problem("path_outside", file, f"'{image.file_name}' leads outside {source.root}")
        yield AnnotatedImage(
            match.path,
            file,
            image.objects,
            split=split,
            source_id=image.id if identify else None,
            declared_size=image.size,
            match=match.match,
            dialect="coco",
        )


def _rank_kind(file: Path, *, prefer_keypoints: bool = False) -> int:
    """Position in _RANKS; before them where keypoints are asked for and it has some."""
    name = file.stem.lower()
    if prefer_keypoints and name.startswith(_POINTED):
        return -1
    return next((rank for rank, kind in enumerate(_RANKS) if kind and name.startswith(kind)), _RANKS.index(""))


def _choose_files(files: list[Path], source: Source) -> list[Path]:
    """For each split the files of the best kind."""
    best: dict[str | None, int] = {}
    for file in files:
        split = find_file_split(file, source)
        best[split] = min(_rank_kind(file, prefer_keypoints=source.keypoints), best.get(split, len(_RANKS)))
    return [
        file
        for file in files
        if _rank_kind(file, prefer_keypoints=source.keypoints) == best[find_file_split(file, source)]
    ]


def _find_substitute(file: Path, main_files: list[Path], source: Source) -> Path | None:
    """The chosen file beside one that is about the same images, as COCO's own names say: instances_train, stuff_train.

    Where there is none, only what is in the files tells.
    """
    candidates = [
        candidate
        for candidate in main_files
        if candidate.parent == file.parent and find_file_split(candidate, source) == find_file_split(file, source)
    ]
    return next((candidate for candidate in candidates if _parse_subject(candidate) == _parse_subject(file)), None)


def _parse_subject(file: Path) -> str:
    """What follows the kind in a file's name."""
    name = file.stem.lower()
    return next((name.removeprefix(kind) for kind in _RANKS if kind and name.startswith(kind)), f"?{name}")


def _find_places(file: Path, source: Source, with_images: list[Path], names: list[str], state: State) -> Places:
    """Where the images of a file may lie, the likeliest first: folders named for its split before the others."""
    if source.images is not None:
        base = source.images
        folders = sort_nearest_first(
            [folder.path for folder in walk(base)], file.parent, source, parse_split(file.stem)
        )
    else:
        base, folders = file.parent, sort_nearest_first(with_images, file.parent, source)
    split = parse_split(file.stem)
    name_folders = [folder for folder in folders if folder.name.startswith(file.stem.partition("_")[2] or "\0")]
    split_folders = [folder for folder in folders if split and parse_split(folder.name) == split]
    near = [base, base / "images", base.parent / "images", base.parent] if source.images is None else [base]
    near = [place for place in near if place.is_relative_to(source.root) or source.images or place.name == "images"]
    near = [place for place in near if place.is_dir()]
    if split:
        near = [*name_folders, *split_folders, *near]
    elif source.images is not None:
        near = []
    return find_places(near, folders, file.parent, source, split=split, names=names, state=state)
