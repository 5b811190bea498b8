"""LabelMe JSON, as labelme and X-AnyLabeling write it: one file an image, a list of shapes."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from odtool.dataset.images import masks
from odtool.dataset.readers.common import parsing, values
from odtool.dataset.readers.common.lookup import Places, find_own
from odtool.dataset.readers.common.pairs import pair, without_annotation
from odtool.dataset.readers.common.shapes import around, ellipse, envelope
from odtool.dataset.readers.common.source_folders import split_within, walk
from odtool.dataset.types import (
    AnnotatedImage,
    Box,
    Deferred,
    Extent,
    Finding,
    ObjectAnnotation,
    Outline,
    Problem,
    Source,
)
from odtool.errors import DataError

_SAMPLES = 5
"""JSON files a folder that are looked into."""
_AREAS = {"rectangle": 2, "polygon": 3, "rotation": 3, "circle": 2, "mask": 2}
"""Shapes that have a box, and the points they need; an older file without a type has polygons."""
_PARTS = ("polygon", "mask")
"""Shapes of which several may be parts of one object, as behind a pole. A box is drawn around a whole object, so
grouped boxes are objects that belong together: two eyes, one pair."""


@dataclass(frozen=True)
class LabelmeFile:
    """What one JSON file says."""

    image: str
    size: tuple[int, int] | None
    objects: tuple[ObjectAnnotation, ...]
    problems: tuple[tuple[str, str], ...]
    """Kind and detail of each."""
    embedded: tuple[int, int] | None
    """Where in the file the image itself is, as base64: offset and length."""


@dataclass(frozen=True)
class _Shape:
    label: str
    box: Box
    difficult: bool
    group: int | str | None
    """Outlines of one label and group are parts of one object."""
    points: list[tuple[float, float]]
    kind: str
    outline: Outline | None = None


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as LabelMe JSON, or None."""
    if path.is_file():
        return f"{path.name} has shapes and an imagePath" if _looks_like(path) else None
    for folder in walk(path):
        for file in folder.ending(".json")[:_SAMPLES]:
            if _looks_like(file):
                return f"{file} has shapes and an imagePath"
    return None


def _looks_like(path: Path) -> bool:
    """An embedded image may stand before the path, which is why the size at the file's end will do as well."""
    if path.suffix.lower() != ".json":
        return False
    text = parsing.ends(path)
    return b'"shapes"' in text and (b'"imagePath"' in text or b'"imageHeight"' in text)


def read(source: Source) -> Iterator[Finding]:
    """Every JSON file with its image; images without one have not been annotated and are counted."""
    if source.path.is_file():
        files = [source.path]
    else:
        found = [file for folder in walk(source.root) for file in folder.ending(".json")]
        files = [file for file in found if _looks_like(file)]
        for file in sorted(set(found) - set(files)):
            yield Problem("file_skipped", file, "it has no shapes and imagePath")
    pairs = pair(files, source, ["images", "imgs", "img", "JPEGImages"])
    for folder, documents_there in pairs.files.items():
        split = split_within(folder, source.root)
        for file in documents_there:
            yield Deferred(parse_file, (file, split, pairs.places[folder], source.root, source.masks))
    if source.path.is_dir():
        yield from without_annotation(pairs)


def parse_file(
    path: Path, split: str | None, places: Places, root: Path, with_outlines: bool
) -> Iterator[AnnotatedImage | Problem]:
    """One JSON file, its image looked for in `places`; the one that it holds itself comes before a namesake."""
    parsed = parse(parsing.read_bytes(path), path, with_outlines=with_outlines)
    for kind, detail in parsed.problems:
        yield Problem(kind, path, detail)
    found = find_own(parsed.image, path, places, within=root)
    if found.outside:
        yield Problem("path_outside", path, f"'{parsed.image}' leads outside {root}")
    if parsed.embedded and not (found.exists and found.match == "named"):
        yield _from_within(path, parsed, split, root)
        return
    if not found.exists:
        yield Problem("image_missing", path, f"no such image '{parsed.image}'")
        return
    if found.by_file and parsed.image:
        yield Problem("filename_mismatch", path, f"says '{parsed.image}', but {found.path.name} has its name")
    yield AnnotatedImage(found.path, path, parsed.objects, split=split, declared_size=parsed.size, match=found.match)


def _from_within(path: Path, parsed: LabelmeFile, split: str | None, root: Path) -> AnnotatedImage:
    """The image that the annotation file holds itself, as labelme has it unless told not to."""
    name = PurePosixPath(parsed.image.replace("\\", "/")).name or f"{path.stem}.jpg"
    offset, length = parsed.embedded or (0, 0)
    identity = path.relative_to(root).with_name(name).as_posix() if path.is_relative_to(root) else name
    extent = Extent(offset, length, name, encoded=True)
    return AnnotatedImage(
        path,
        path,
        parsed.objects,
        split=split,
        source_id=identity,
        declared_size=parsed.size,
        extent=extent,
    )


def parse(data: bytes, path: Path, *, with_outlines: bool = False) -> LabelmeFile:
    """Parses a JSON file's bytes; `path` is only named in errors. Boxes are the envelopes of the shapes.

    Raises:
        DataError: it is not JSON, or what is in it contradicts the format.
    """
    document = parsing.json_of(data, path)
    drawn = document.get("shapes") if isinstance(document, dict) else None
    if not isinstance(drawn, list):
        raise _wrong(path, "has no list 'shapes'")
    problems: list[tuple[str, str]] = []
    image, size = document.get("imagePath"), values.size(document.get("imageWidth"), document.get("imageHeight"))
    found = [_shape(shape, f"shapes[{number}]", path, problems) for number, shape in enumerate(drawn)]
    if with_outlines:
        found = [
            made and replace(made, outline=_outline(made, shape, size))
            for made, shape in zip(found, drawn, strict=True)
        ]
    return LabelmeFile(
        image if isinstance(image, str) else "",
        size,
        tuple(_objects([shape for shape in found if shape is not None], problems)),
        tuple(problems),
        _embedded(document.get("imageData"), data),
    )


def _embedded(text: Any, data: bytes) -> tuple[int, int] | None:
    if not isinstance(text, str) or not text.isascii() or not text:
        return None
    place = data.find(text.encode("ascii"))
    return (place, len(text)) if place >= 0 else None


def _shape(shape: Any, where: str, path: Path, problems: list[tuple[str, str]]) -> _Shape | None:
    if not isinstance(shape, dict):
        raise _wrong(path, f"{where} is not an object")
    kind = shape.get("shape_type") or "polygon"
    if str(kind) not in _AREAS:
        problems.append(("shape_skipped", f"{where} is a {str(kind)[:40]}"))
        return None
    label = shape.get("label")
    if not isinstance(label, str | int) or not str(label).strip():
        problems.append(("label_missing", f"{where} has no label"))
        return None
    points = _points(shape.get("points"), where, path)
    if len(points) < _AREAS[kind]:
        problems.append(("box_missing", f"{where} ({label}) is a {kind} with {len(points)} points"))
        return None
    group = shape.get("group_id")
    return _Shape(
        str(label).strip(),
        _box(points, kind),
        shape.get("difficult") is True,
        group if isinstance(group, int | str) else None,
        points,
        kind,
    )


def _outline(made: _Shape, shape: dict[str, Any], size: tuple[int, int] | None) -> Outline | None:
    """The mask of a polygon; or a mask itself, which is a PNG that lies between its two points."""
    if made.kind in ("polygon", "rotation"):
        return masks.polygon(made.points)
    if made.kind != "mask" or size is None or not isinstance(shape.get("mask"), str):
        return None
    try:
        mask = masks.from_png(base64.b64decode(shape["mask"]))
    except ValueError:
        return None
    corner = (made.box.xmin, made.box.ymin)
    if mask is None or not all(0 <= number < 1e9 for number in corner):
        return None
    return masks.pasted(mask, (round(corner[0]), round(corner[1])), size)


def _box(points: list[tuple[float, float]], kind: str) -> Box:
    """A rectangle's corners stand in the order of drawing; a circle is its centre and a point of its edge."""
    if kind != "circle":
        return envelope(points)
    radius = math.dist(points[0], points[1])
    return ellipse(points[0], (radius, radius))


def _points(value: Any, where: str, path: Path) -> list[tuple[float, float]]:
    points = []
    for point in value if isinstance(value, list) else []:
        found = values.numbers(point, 2)
        if found is None:
            raise _wrong(path, f"{where}: a point is not two numbers: {str(point)[:60]}")
        points.append((found[0], found[1]))
    return points


def _objects(drawn: list[_Shape], problems: list[tuple[str, str]]) -> Iterator[ObjectAnnotation]:
    """One object a shape, or a group of outlines with the same label, as labelme's own converter to masks has it."""
    groups: dict[tuple[str, Any], list[_Shape]] = {}
    for number, shape in enumerate(drawn):
        alone = shape.group is None or shape.kind not in _PARTS
        own = (None, number) if alone else (type(shape.group), shape.group)
        groups.setdefault((shape.label, own), []).append(shape)
    for (label, _), parts in groups.items():
        if len(parts) > 1:
            problems.append(("shapes_joined", f"{len(parts)} outlines of '{label}' with group_id {parts[0].group}"))
        box = around(part.box for part in parts)
        outline = parts[0].outline if len(parts) == 1 else masks.together([part.outline for part in parts])
        yield ObjectAnnotation(label, box, difficult=any(part.difficult for part in parts), outline=outline)


def _wrong(path: Path, what: str) -> DataError:
    return DataError(f"{path}: {what}", "It is JSON, but not as labelme has it. Mend it, or choose with --format.")
