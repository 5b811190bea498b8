"""Supervisely: meta.json, and in each data set ann/ with one JSON an image beside img/."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import faults, parsing, values
from odtool.dataset.readers.common.faults import Skipping
from odtool.dataset.readers.common.lookup import Places, find_image
from odtool.dataset.readers.common.source_folders import Folder, find_split, walk
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.namesakes.image_paths import holds_images
from odtool.dataset.readers.tools.supervisely import supervisely_shapes
from odtool.dataset.splits import parse_split
from odtool.dataset.types import AnnotatedImage, Deferred, Finding, ObjectAnnotation, Problem, Source

_TOOL = "Supervisely"
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
            for file in folder.find_files(".json")[:1]:
                if _looks_like(file):
                    return f"{file} has Supervisely's size and objects"
    return None


def _looks_like(path: Path) -> bool:
    """The objects may be none; the size of the image is always there."""
    text = input_files.read_ends(path) if path.suffix.lower() == ".json" else b""
    return b'"objects"' in text and b'"size"' in text and (b'"classTitle"' in text or b'"tags"' in text)


def read(source: Source) -> Iterator[Finding]:
    """Every file of the ann/ folders, each to be parsed where there is a core for it."""
    if source.path.is_file():
        place = source.images or source.root.parent / _IMAGES
        places = _make_places((place, source.root))
        yield Deferred(parse_file, (source.path, None, places, source.root, source.masks))
        return
    folders = list(walk(source.path))
    for folder in folders:
        if folder.path.name != _ANNOTATIONS or "meta.json" in folder.files:
            continue  # a project may be called so, too
        files = folder.find_files(".json")
        place = folder.path.parent / _IMAGES
        places = _make_places(
            (place, folder.path.parent) if source.images is None else _list_image_folders(source, folder.path)
        )
        split = find_split(folder.path.parent, source.root)
        for file in files:
            yield Deferred(parse_file, (file, split, places, source.root, source.masks))
        yield from _report_unannotated(place, {file.stem for file in files}, folders)


def _make_places(folders: tuple[Path, ...]) -> Places:
    """The first folder with images is where they all lie."""
    return Places(folders, tuple(folder for folder in folders if holds_images(folder))[:1])


def _list_image_folders(source: Source, folder: Path) -> tuple[Path, ...]:
    """--images may be the folder of all images, or have a folder for each data set."""
    images = source.images or source.root
    # The source may be an ann/ itself.
    inner = folder.parent.relative_to(source.root) if folder != source.root else PurePath()
    return (images / inner / _IMAGES, images / inner, images)


def _report_unannotated(place: Path, annotated: set[str], folders: list[Folder]) -> Iterator[Problem]:
    """Images that nobody has annotated: they are no background."""
    for folder in folders:
        if folder.path == place:
            for image in folder.find_files(*EXTENSIONS):
                if image.name not in annotated and image.stem not in annotated:
                    yield Problem("annotation_missing", image, "has no file in ann/")


def parse_file(
    path: Path, split: str | None, places: Places, root: Path, with_outlines: bool
) -> Iterator[AnnotatedImage | Problem]:
    """One JSON file, its image looked for in `places`: a.jpg.json, or a.json in older projects."""
    content = parse(input_files.read_bytes(path), path, with_outlines=with_outlines)
    for kind, detail in content.problems:
        yield Problem(kind, path, detail)
    if faults.is_nothing_left(content.objects, content.problems):
        return
    image = find_image(path.stem, places, within=root)
    split = content.split or split
    yield AnnotatedImage(image.path, path, content.objects, split=split, declared_size=content.size, match=image.match)


def parse(data: bytes, path: Path, *, with_outlines: bool = False) -> SuperviselyFile:
    """Parses a JSON file's bytes; `path` is only named in errors. Boxes are the envelopes of the shapes.

    Raises:
        DataError: it is not JSON, or what is in it contradicts the format.
    """
    document = parsing.parse_json(data, path)
    items = document.get("objects") if isinstance(document, dict) else None
    if not isinstance(items, list):
        raise parsing.unexpected_json(_TOOL, path, "has no list 'objects'")
    problems: list[tuple[str, str]] = []
    size, tags = document.get("size"), document.get("tags")
    image_size = values.parse_size(size.get("width"), size.get("height")) if isinstance(size, dict) else None
    skipping, objects = Skipping(problems), list[ObjectAnnotation]()
    for number, item in enumerate(items, start=1):
        with skipping:
            annotation = _parse_object(item, f"object {number}", path, problems)
            if annotation is not None and with_outlines and image_size:
                annotation = replace(annotation, outline=supervisely_shapes.parse_outline(item, image_size))
            objects += [annotation] if annotation else []
    return SuperviselyFile(
        tuple(objects),
        image_size,
        next(filter(None, map(_parse_split, tags if isinstance(tags, list) else ())), None),
        tuple(problems),
    )


def _parse_split(tag: Any) -> str | None:
    """Older projects have texts, newer ones objects; a tag that merely contains the word is none."""
    name = tag.get("name") if isinstance(tag, dict) else tag
    return parse_split(name) if isinstance(name, str) and name.strip().isalpha() else None


def _parse_object(item: Any, where: str, path: Path, problems: list[tuple[str, str]]) -> ObjectAnnotation | None:
    if not isinstance(item, dict):
        raise parsing.unexpected_json(_TOOL, path, f"{where} is not an object")
    kind = item.get("geometryType") or item.get("type")
    if kind in _WITHOUT_BOX:
        problems.append(("shape_skipped", f"{where} is a {kind}"))
        return None
    label = item.get("classTitle")
    if not isinstance(label, str) or not label.strip():
        problems.append(("label_missing", f"{where} has no classTitle"))
        return None
    box = supervisely_shapes.parse_box(item)
    if box is None:
        values.refuse_words(item.get("points"), ("exterior",), where, path)
        problems.append(("box_missing", f"{where} ({label}) has no shape with a box"))
        return None
    return ObjectAnnotation(label.strip(), box)
