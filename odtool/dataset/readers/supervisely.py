"""Supervisely: meta.json, and in each data set ann/ with one JSON an image beside img/."""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odtool.dataset.image_file import EXTENSIONS
from odtool.dataset.readers import documents, shapes, values
from odtool.dataset.readers.folders import Folder, find_image, find_stem, walk
from odtool.dataset.splits import split_of_name
from odtool.dataset.types import AnnotatedImage, Box, Deferred, Finding, ObjectAnnotation, Problem, Source
from odtool.errors import DataError

_WITHOUT_BOX = (
    "point",
    "line",
    "polyline",
    "graph",
    "keypoints",
    "cuboid",
    "cuboid_3d",
    "point_3d",
    "multichannelBitmap",
)
_ANNOTATIONS, _IMAGES = "ann", "img"


@dataclass(frozen=True)
class SuperviselyFile:
    """What one JSON file says."""

    objects: tuple[ObjectAnnotation, ...]
    size: tuple[int, int] | None
    split: str | None
    """Where a tag of the image is called train, val or test."""
    problems: tuple[tuple[str, str], ...]
    """Kind and detail of each."""


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as a Supervisely project, or None."""
    if path.is_file():
        return f"{path.name} has Supervisely's size and objects" if _looks_like(path) else None
    for folder in walk(path):
        if folder.path.name == _ANNOTATIONS:
            for file in folder.ending(".json")[:1]:
                if _looks_like(file):
                    return f"{file} has Supervisely's size and objects"
    return None


def _looks_like(path: Path) -> bool:
    """The objects may be none; the size of the image is always there."""
    text = documents.ends(path) if path.suffix.lower() == ".json" else b""
    return b'"objects"' in text and b'"size"' in text and (b'"classTitle"' in text or b'"tags"' in text)


def read(source: Source) -> Iterator[Finding]:
    """Every file of the ann/ folders, each to be parsed where there is a core for it."""
    if source.path.is_file():
        place = source.images or source.root.parent / _IMAGES
        yield Deferred(parse_file, (source.path, None, (place, source.root), source.root))
        return
    folders = list(walk(source.path))
    for folder in folders:
        if folder.path.name != _ANNOTATIONS:
            continue
        files = folder.ending(".json")
        place = folder.path.parent / _IMAGES
        places = (place, folder.path.parent) if source.images is None else _named(source, folder.path)
        split = _split(folder.path.parent, source.root)
        for file in files:
            yield Deferred(parse_file, (file, split, places, source.root))
        yield from _without_annotation(place, {file.stem for file in files}, folders)


def _named(source: Source, folder: Path) -> tuple[Path, ...]:
    """--images may be the folder of all images, or have a folder for each data set."""
    images = source.images or source.root
    inner = folder.parent.relative_to(source.root)
    return (images / inner / _IMAGES, images / inner, images)


def _without_annotation(place: Path, annotated: set[str], folders: list[Folder]) -> Iterator[Problem]:
    """Images that nobody has annotated: they are no background."""
    for folder in folders:
        if folder.path == place:
            for image in folder.ending(*EXTENSIONS):
                if image.name not in annotated and image.stem not in annotated:
                    yield Problem("annotation_missing", image, "has no file in ann/")


def _split(folder: Path, root: Path) -> str | None:
    """The data sets of a project are named for their splits, or are all of one kind."""
    return next(filter(None, map(split_of_name, reversed(folder.relative_to(root).parts))), None)


def parse_file(
    path: Path, split: str | None, places: tuple[Path, ...], root: Path
) -> Iterator[AnnotatedImage | Problem]:
    """One JSON file, its image looked for in `places`: a.jpg.json, or a.json in older projects."""
    found = parse(documents.read_bytes(path), path)
    for kind, detail in found.problems:
        yield Problem(kind, path, detail)
    image = find_image(path.stem, places, within=root).path
    if not image.exists():
        image = find_stem(path.stem, places) or image
    yield AnnotatedImage(image, path, found.objects, split=found.split or split, declared_size=found.size)


def parse(data: bytes, path: Path) -> SuperviselyFile:
    """Parses a JSON file's bytes; `path` is only named in errors. Boxes are the envelopes of the shapes.

    Raises:
        DataError: it is not JSON, or what is in it contradicts the format.
    """
    document = documents.json_of(data, path)
    items = document.get("objects") if isinstance(document, dict) else None
    if not isinstance(items, list):
        raise _wrong(path, "has no list 'objects'")
    problems: list[tuple[str, str]] = []
    objects = [_object(item, f"object {number}", path, problems) for number, item in enumerate(items, start=1)]
    size, tags = document.get("size"), document.get("tags")
    return SuperviselyFile(
        tuple(item for item in objects if item is not None),
        values.size(size.get("width"), size.get("height")) if isinstance(size, dict) else None,
        next(filter(None, map(_split_of_tag, tags if isinstance(tags, list) else ())), None),
        tuple(problems),
    )


def _split_of_tag(tag: Any) -> str | None:
    """Older projects have texts, newer ones objects; a tag that merely contains the word is none."""
    name = tag.get("name") if isinstance(tag, dict) else tag
    return split_of_name(name) if isinstance(name, str) and name.strip().isalpha() else None


def _object(item: Any, where: str, path: Path, problems: list[tuple[str, str]]) -> ObjectAnnotation | None:
    if not isinstance(item, dict):
        raise _wrong(path, f"{where} is no object")
    kind = item.get("geometryType") or item.get("type")
    if kind in _WITHOUT_BOX:
        problems.append(("shape_skipped", f"{where} is a {kind}"))
        return None
    label = item.get("classTitle")
    if not isinstance(label, str) or not label.strip():
        problems.append(("label_missing", f"{where} has no classTitle"))
        return None
    box = _box(item)
    if box is None:
        problems.append(("box_missing", f"{where} ({label}) has no shape with a box"))
        return None
    return ObjectAnnotation(label.strip(), box)


def _box(item: dict[str, Any]) -> Box | None:
    points, bitmap = item.get("points"), item.get("bitmap")
    if isinstance(bitmap, dict):
        origin, size = values.numbers(bitmap.get("origin"), 2), _bitmap_size(bitmap.get("data"))
        if origin and size:
            return Box(origin[0], origin[1], origin[0] + size[0], origin[1] + size[1])
    corners = values.points(points.get("exterior")) if isinstance(points, dict) else None
    if not corners:
        return None
    # Of oriented boxes these are the corners before they are turned. Older releases of its SDK have degrees.
    angle = values.number(item.get("angle")) or 0.0
    return shapes.turned(shapes.envelope(corners), math.degrees(angle) if abs(angle) <= math.tau else angle)


def _bitmap_size(data: Any) -> tuple[int, int] | None:
    """Width and height of a mask, cropped to the object: a PNG in zlib in base64, of which the first bytes do."""
    if not isinstance(data, str):
        return None
    try:
        head = zlib.decompressobj().decompress(base64.b64decode(data[:4096] + "=" * (-len(data[:4096]) % 4)), 24)
    except (binascii.Error, ValueError, zlib.error):
        return None
    if len(head) < 24 or head[:8] != b"\x89PNG\r\n\x1a\n":
        return None
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    return (width, height) if width and height else None


def _wrong(path: Path, what: str) -> DataError:
    return DataError(f"{path}: {what}", "It is JSON, but not as Supervisely has it. Mend it, or choose with --format.")
