"""COCO JSON: one file, a folder with annotations/, or one file in each split's folder (Roboflow)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from odtool.dataset.masks import from_coco
from odtool.dataset.readers import documents
from odtool.dataset.readers.folders import find_image, image_folders, walk
from odtool.dataset.splits import split_of_name
from odtool.dataset.types import AnnotatedImage, Box, Finding, ObjectAnnotation, Problem, Source
from odtool.errors import DataError

_KEYS = (b'"images"', b'"annotations"', b'"categories"')
_RANKS = ("instances", "", "person_keypoints", "keypoints", "labels", "stuff", "image_info", "panoptic", "captions")
"""Kinds of COCO files by the beginning of their names ('' is any other), those about objects first. Of several
files for one split only the first kind is read, as the others speak of the same images."""


@dataclass(frozen=True)
class CocoImage:
    """One entry of `images` with its annotations."""

    id: str
    file_name: str
    size: tuple[int, int] | None
    objects: tuple[ObjectAnnotation, ...]


@dataclass(frozen=True)
class CocoFile:
    """What one JSON file says."""

    images: tuple[CocoImage, ...]
    problems: tuple[tuple[str, str], ...]
    """Kind and detail of each."""
    unused: frozenset[str] = frozenset()
    """Classes without an object in this file, such as Roboflow's dummy root category."""
    used: frozenset[str] = frozenset()
    skip: str = ""
    """Why there is nothing to be read from it, or ''."""


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
    text = documents.ends(path)
    found = [key in text for key in _KEYS]
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
    reasons = []
    used: set[str] = set()
    unused: set[str] = set()
    for file in files:
        if file not in chosen:
            better = next(other for other in chosen if _split(other, source) == _split(file, source))
            yield Problem("file_skipped", file, f"{better.name} is read in its place")
            continue
        parsed = parse(documents.read_bytes(file), file, masks=source.masks)
        if parsed.skip:
            reasons.append(f"{file.name} {parsed.skip}")
            yield Problem("file_skipped", file, parsed.skip)
            continue
        used |= parsed.used
        unused |= parsed.unused
        yield from _findings(parsed, file, source, with_images, alone=len(files) == 1)
    for name in sorted(unused - used):
        yield Problem("class_unused", chosen[0], f"'{name}' is among its categories, but no object is of it")
    if len(reasons) == len(chosen):
        raise DataError(f"{source.path}: no bounding boxes: {'; '.join(reasons)}", "Name a COCO file with boxes.")


def _findings(
    parsed: CocoFile, file: Path, source: Source, with_images: list[Path], *, alone: bool
) -> Iterator[Finding]:
    places = _places(file, source, with_images)
    split = _split(file, source)
    for kind, detail in parsed.problems:
        yield Problem(kind, file, detail)
    for image in parsed.images:
        found = find_image(image.file_name, places, within=source.root)
        if found.outside:
            yield Problem("path_outside", file, f"'{image.file_name}' leads outside {source.root}")
        # Ids start anew in each file, so they name an image only where there is one file.
        identity = image.id if alone else None
        yield AnnotatedImage(found.path, file, image.objects, split=split, source_id=identity, declared_size=image.size)


def parse(data: bytes, path: Path, *, masks: bool = False) -> CocoFile:
    """Parses a JSON file's bytes, objects' outlines only for `masks`; `path` is only named in errors.

    Raises:
        DataError: it is not JSON, or what is in it contradicts the format.
    """
    document = documents.json_of(data, path)
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        raise _wrong(path, "has no list 'images'")
    annotations = document.get("annotations", [])
    if not isinstance(annotations, list):
        raise _wrong(path, "'annotations' is not a list")
    if annotations and not any(isinstance(item, dict) and item.get("bbox") for item in annotations):
        return CocoFile((), (), skip="has no boxes (captions, labels or panoptic segments)")
    if not annotations and not document.get("categories"):
        return CocoFile((), (), skip="has neither annotations nor categories")
    problems: list[tuple[str, str]] = []
    names = _categories(document.get("categories", []), path)
    images = _images(document["images"], path)
    objects: dict[str, list[ObjectAnnotation]] = {}
    for number, item in enumerate(annotations):
        found = _object(item, names, path, number, problems)
        if found is None:
            continue
        image_id = _id(item.get("image_id"))
        if image_id not in images:
            problems.append(
                (
                    "image_missing",
                    f"annotation {item.get('id', number)} is of image {image_id}, which is not in 'images'",
                )
            )
            continue
        if masks:
            found = replace(found, outline=from_coco(item.get("segmentation")))
        objects.setdefault(image_id, []).append(found)
    used = {item.label for found in objects.values() for item in found}
    return CocoFile(
        tuple(CocoImage(key, name, size, tuple(objects.get(key, ()))) for key, (name, size) in images.items()),
        tuple(problems),
        frozenset(names.values()) - used,
        frozenset(used),
    )


def _categories(items: Any, path: Path) -> dict[str, str]:
    """Names by id."""
    if not isinstance(items, list):
        raise _wrong(path, "'categories' is not a list")
    names: dict[str, str] = {}
    for number, item in enumerate(items):
        if not isinstance(item, dict) or not isinstance(item.get("name"), str | int) or "id" not in item:
            raise _wrong(path, f"categories[{number}] has no id or name")
        if names.setdefault(_id(item["id"]), str(item["name"]).strip()) != str(item["name"]).strip():
            raise _wrong(path, f"two categories have id {item['id']}")
    return names


def _images(items: list[Any], path: Path) -> dict[str, tuple[str, tuple[int, int] | None]]:
    """File names and declared sizes by id."""
    images: dict[str, tuple[str, tuple[int, int] | None]] = {}
    for number, item in enumerate(items):
        if not isinstance(item, dict) or not isinstance(item.get("file_name"), str) or "id" not in item:
            raise _wrong(path, f"images[{number}] has no id or file_name")
        key = _id(item["id"])
        if key in images and images[key][0] != item["file_name"]:
            raise _wrong(path, f"two images have id {key}: {images[key][0]} and {item['file_name']}")
        images[key] = (item["file_name"], _size(item.get("width"), item.get("height")))
    return images


def _size(width: Any, height: Any) -> tuple[int, int] | None:
    if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
        return width, height
    return None


def _object(
    item: Any, names: dict[str, str], path: Path, number: int, problems: list[tuple[str, str]]
) -> ObjectAnnotation | None:
    if not isinstance(item, dict):
        raise _wrong(path, f"annotations[{number}] is not an object")
    where = f"annotation {item.get('id', number)}"
    bbox = item.get("bbox")
    if not bbox:
        problems.append(("box_missing", f"{where} has no bbox"))
        return None
    numbers = [_number(value) for value in bbox] if isinstance(bbox, list) else []
    if len(numbers) != 4 or None in numbers:
        raise _wrong(path, f"{where}: bbox is not four numbers: {str(bbox)[:80]}")
    x, y, width, height = (float(value or 0) for value in numbers)
    label = names.get(_id(item.get("category_id")))
    if not label:
        raise _wrong(path, f"{where} has category_id {item.get('category_id')}, which is not in 'categories'")
    area = _number(item.get("area"))
    return ObjectAnnotation(
        label,
        Box(x, y, x + width, y + height),
        is_crowd=item.get("iscrowd") in (1, True),
        area=area if area is not None and 0 < area < float("inf") else None,
    )


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _id(value: Any) -> str:
    """Some writers give an id as a number in one place and as text in the other."""
    return str(value)


def _wrong(path: Path, what: str) -> DataError:
    return DataError(f"{path}: {what}", "It is JSON, but not as COCO has it. Mend it, or choose with --format.")


def _kind(file: Path) -> int:
    """Position in _RANKS."""
    name = file.stem.lower()
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
        best[split] = min(_kind(file), best.get(split, len(_RANKS)))
    return [file for file in files if _kind(file) == best[_split(file, source)]]


def _places(file: Path, source: Source, with_images: list[Path]) -> list[Path]:
    """Where the images of a file may lie, the likeliest first: folders named for its split before the others."""
    if source.images is not None:
        inner = [folder.path for folder in walk(source.images)] if source.images.is_dir() else []
        base, folders = source.images, inner
    else:
        base, folders = file.parent, with_images
    split = split_of_name(file.stem)
    named = [folder for folder in folders if folder.name.startswith(file.stem.partition("_")[2] or "\0")]
    of_split = [folder for folder in folders if split and split_of_name(folder.name) == split]
    near = [base, base / "images", base.parent / "images", base.parent] if source.images is None else [base]
    near = [place for place in near if place.is_relative_to(source.root) or source.images or place.name == "images"]
    near = [place for place in near if place.is_dir()]
    if split:
        return list(dict.fromkeys([*named, *of_split, *near, *folders]))
    return list(dict.fromkeys([*near, *folders]))
