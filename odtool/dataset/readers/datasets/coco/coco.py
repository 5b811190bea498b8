"""COCO JSON: one file, a folder with annotations/, or one file in each split's folder (Roboflow)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from odtool.dataset.readers.common import parsing
from odtool.dataset.readers.common.lookup import Places, find_image, placed, sample
from odtool.dataset.readers.common.source_folders import image_folders, nearest_first, walk
from odtool.dataset.readers.datasets.coco.coco_document import CocoFile, parse
from odtool.dataset.splits import split_of_name
from odtool.dataset.types import AnnotatedImage, Finding, Problem, Source
from odtool.errors import DataError

_KEYS = (b'"images"', b'"annotations"', b'"categories"')
_RANKS = ("instances", "", "person_keypoints", "keypoints", "labels", "stuff", "image_info", "panoptic", "captions")
"""Kinds of COCO files by the beginning of their names ('' is any other), those about objects first. Of several
files for one split the first kind is read, and of the others those with further images."""
_POINTED = ("person_keypoints", "keypoints")
"""Kinds that come before all others where key points are asked for."""


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as COCO, or None."""
    if path.is_file():
        return f"{path.name} has images and annotations" if _looks_like(path) else None
    files = [file for folder in walk(path) for file in folder.ending(".json") if _looks_like(file)]
    if not files:
        return None
    return f"{len(files)} JSON with images and annotations, such as {min(files, key=_kind)}"


def _looks_like(path: Path) -> bool:
    """`images` with one of the other two; a file cut short, which has lost those, opens with `images` at least."""
    if path.suffix.lower() != ".json":
        return False
    text = parsing.ends(path)
    found = [key in text for key in _KEYS]
    hidden = any(found) or b'"info"' in text or b'"licenses"' in text
    if hidden and not (found[0] and any(found[1:])) and text.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{"):
        # Long lists hide keys in the middle: LVIS has its images between annotations and categories.
        found = parsing.contains(path, _KEYS)
    opening = text[:200].replace(b" ", b"").replace(b"\n", b"").lstrip(b"\xef\xbb\xbf")
    return (found[0] and any(found[1:])) or opening.startswith(b'{"images":[')


def read(source: Source) -> Iterator[Finding]:
    """Every image of the chosen JSON files.

    Raises:
        DataError: a file is broken, or none of them has boxes.
    """
    folders = list(walk(source.root))
    with_images = image_folders(folders)
    if source.path.is_file():
        files = [source.path]
    else:
        files = [file for folder in folders for file in folder.ending(".json") if _looks_like(file)]
    chosen = _chosen(files, source)
    splits = {_split(file, source) for file in chosen}
    reasons = []
    skipped = {file: better for file in files if file not in chosen and (better := _namesake(file, chosen, source))}
    compared = (len(splits) > 1 and None in splits) or len(chosen) + len(skipped) < len(files)
    used: set[str] = set()
    unused: set[str] = set()
    met: set[Path] = set()
    # A file for all beside those of the splits mostly says the same again, as does one of another kind.
    for file in sorted(files, key=lambda file: (file not in chosen, _split(file, source) is None)):
        if file in skipped:
            yield Problem("file_skipped", file, f"{skipped[file].name} is read in its place")
            continue
        parsed = parse(parsing.read_bytes(file), file, with_outlines=source.masks, with_points=source.keypoints)
        if parsed.skip:
            reasons.append(f"{file.name} {parsed.skip}")
            yield Problem("file_skipped", file, parsed.skip)
            continue
        found: Iterable[Finding] = _findings(parsed, file, source, with_images, alone=len(files) == 1)
        if compared:
            found = list(found)
            images = {item.path for item in found if isinstance(item, AnnotatedImage)}
            if (_split(file, source) is None or file not in chosen) and images <= met:
                where = "the files of the splits" if file in chosen else "the files read before it"
                yield Problem("file_skipped", file, f"its images are in {where}")
                continue
            met |= images
        used |= parsed.used
        unused |= parsed.unused
        yield from found
    for name in sorted(unused - used):
        yield Problem("class_unused", chosen[0], f"'{name}' is among its categories, but no object is of it")
    if not chosen:
        raise DataError(f"{source.path}: no JSON with images and annotations", "Name the folder with COCO's files.")
    if len(reasons) == len(files) - len(skipped):
        raise DataError(f"{source.path}: no bounding boxes: {'; '.join(reasons)}", "Name a COCO file with boxes.")


def _findings(
    parsed: CocoFile, file: Path, source: Source, with_images: list[Path], *, alone: bool
) -> Iterator[Finding]:
    places = _places(file, source, with_images, sample([image.file_name for image in parsed.images]))
    split = _split(file, source)
    for kind, detail in parsed.problems:
        yield Problem(kind, file, detail)
    for image in parsed.images:
        found = find_image(image.file_name, places, within=source.root)
        if found.outside:
            yield Problem("path_outside", file, f"'{image.file_name}' leads outside {source.root}")
        # Ids start anew in each file, so they name an image only where there is one file.
        identity = image.id if alone else None
        yield AnnotatedImage(
            found.path,
            file,
            image.objects,
            split=split,
            source_id=identity,
            declared_size=image.size,
            match=found.match,
        )


def _kind(file: Path, *, pointed: bool = False) -> int:
    """Position in _RANKS; before them where key points are asked for and it has some."""
    name = file.stem.lower()
    if pointed and name.startswith(_POINTED):
        return -1
    return next((rank for rank, kind in enumerate(_RANKS) if kind and name.startswith(kind)), _RANKS.index(""))


def _split(file: Path, source: Source) -> str | None:
    """By the file's name, else by the innermost folder that speaks of a split."""
    inner = file.relative_to(source.root).parent.parts
    return next(filter(None, map(split_of_name, (file.stem, *reversed(inner)))), None)


def _chosen(files: list[Path], source: Source) -> list[Path]:
    """For each split the files of the best kind."""
    best: dict[str | None, int] = {}
    for file in files:
        split = _split(file, source)
        best[split] = min(_kind(file, pointed=source.keypoints), best.get(split, len(_RANKS)))
    return [file for file in files if _kind(file, pointed=source.keypoints) == best[_split(file, source)]]


def _namesake(file: Path, chosen: list[Path], source: Source) -> Path | None:
    """The chosen file beside one that is about the same images, as COCO's own names say: instances_train, stuff_train.

    Where there is none, only what is in the files tells.
    """
    beside = [
        other for other in chosen if other.parent == file.parent and _split(other, source) == _split(file, source)
    ]
    return next((other for other in beside if _subject(other) == _subject(file)), None)


def _subject(file: Path) -> str:
    """What follows the kind in a file's name."""
    name = file.stem.lower()
    return next((name.removeprefix(kind) for kind in _RANKS if kind and name.startswith(kind)), f"?{name}")


def _places(file: Path, source: Source, with_images: list[Path], names: list[str]) -> Places:
    """Where the images of a file may lie, the likeliest first: folders named for its split before the others."""
    if source.images is not None:
        base = source.images
        folders = nearest_first([folder.path for folder in walk(base)], file.parent, source, split_of_name(file.stem))
    else:
        base, folders = file.parent, nearest_first(with_images, file.parent, source)
    split = split_of_name(file.stem)
    named = [folder for folder in folders if folder.name.startswith(file.stem.partition("_")[2] or "\0")]
    of_split = [folder for folder in folders if split and split_of_name(folder.name) == split]
    near = [base, base / "images", base.parent / "images", base.parent] if source.images is None else [base]
    near = [place for place in near if place.is_relative_to(source.root) or source.images or place.name == "images"]
    near = [place for place in near if place.is_dir()]
    if split:
        near = [*named, *of_split, *near]
    elif source.images is not None:
        near = []
    return placed(near, folders, file.parent, source, split=split, names=names)
