"""LabelMe JSON, as labelme and X-AnyLabeling write it: one file an image, a list of shapes."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from odtool.dataset.images import masks
from odtool.dataset.readers.common import faults, parsing, values
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.faults import Skipping
from odtool.dataset.readers.common.lookup import Places, find_own_image
from odtool.dataset.readers.common.pairs import defer_pairs
from odtool.dataset.readers.common.shapes import enclose_boxes, enclose_ellipse, enclose_points
from odtool.dataset.readers.common.source_folders import walk
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.types import (
    AnnotatedImage,
    Box,
    Extent,
    Finding,
    ObjectAnnotation,
    Outline,
    Problem,
    Source,
)

_TOOL = "labelme"
_SAMPLES = 5
"""JSON files a folder that are looked into."""
_AREAS = {"rectangle": 2, "polygon": 3, "rotation": 3, "quadrilateral": 3, "cuboid": 4, "circle": 2, "mask": 2}
"""Shapes that have a box, and the points they need; an older file without a type has polygons. A cuboid is the corners
of its front and back as they appear in the image."""
_IGNORED = "__ignore__"
"""The label of what is to be left out: the first line of labelme's own lists of labels, of which its converters to COCO
and VOC (examples/instance_segmentation/labelme2coco.py) make no class."""
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
    return find_evidence(path, ".json", _looks_like, "has shapes and an imagePath", samples=_SAMPLES)


def _looks_like(path: Path) -> bool:
    """An embedded image may stand before the path, which is why the size at the file's end will do as well."""
    if path.suffix.lower() != ".json":
        return False
    text = input_files.read_ends(path)
    return b'"shapes"' in text and (b'"imagePath"' in text or b'"imageHeight"' in text)


def read(source: Source) -> Iterator[Finding]:
    """Every JSON file with its image; images without one have not been annotated and are counted."""
    if source.path.is_file():
        files = [source.path]
    else:
        json_files = [file for folder in walk(source.root) for file in folder.find_files(".json")]
        files = [file for file in json_files if _looks_like(file)]
        for file in sorted(set(json_files) - set(files)):
            # What is cut off has lost what it would be known by.
            if broken := faults.attempt(parsing.check_json_is_whole, file):
                yield broken
    yield from defer_pairs(files, source, ["images", "imgs", "img", "JPEGImages"], parse_file, _state_size)


def _state_size(path: Path) -> tuple[int, int] | None:
    content = faults.attempt(lambda: parse(input_files.read_bytes(path), path))
    return None if isinstance(content, Problem) else content.size


def parse_file(
    path: Path, split: str | None, places: Places, root: Path, with_outlines: bool
) -> Iterator[AnnotatedImage | Problem]:
    """One JSON file, its image looked for in `places`; the one that it holds itself comes before a namesake."""
    content = parse(input_files.read_bytes(path), path, with_outlines=with_outlines)
    for kind, detail in content.problems:
        yield Problem(kind, path, detail)
    if faults.is_nothing_left(content.objects, content.problems):
        return
    image = find_own_image(content.image, path, places, within=root)
    if image.outside:
        yield Problem("path_outside", path, f"'{content.image}' leads outside {root}")
    if content.embedded and not (image.exists and image.match == "named"):
        yield _use_embedded_image(path, content, split, root)
        return
    if not image.exists:
        name = content.image
        what = f"no such image '{name}'" if name else f"names no image, and none is called {path.stem}"
        yield Problem("image_missing", path, what)
        return
    if image.by_file and content.image:
        yield Problem(
            "filename_mismatch", path, f"names '{content.image}', but {image.path.name} has the file's own name"
        )
    yield AnnotatedImage(image.path, path, content.objects, split=split, declared_size=content.size, match=image.match)


def _use_embedded_image(path: Path, content: LabelmeFile, split: str | None, root: Path) -> AnnotatedImage:
    """The image that the annotation file holds itself, as labelme writes it unless it is set not to."""
    name = PurePosixPath(content.image.replace("\\", "/")).name or f"{path.stem}.jpg"
    offset, length = content.embedded or (0, 0)
    identity = path.relative_to(root).with_name(name).as_posix() if path.is_relative_to(root) else name
    extent = Extent(offset, length, name, encoded=True)
    return AnnotatedImage(
        path,
        path,
        content.objects,
        split=split,
        source_id=identity,
        declared_size=content.size,
        extent=extent,
    )


def parse(data: bytes, path: Path, *, with_outlines: bool = False) -> LabelmeFile:
    """Parses a JSON file's bytes; `path` is only named in errors. Boxes are the envelopes of the shapes.

    Raises:
        DataError: it is not JSON, or what is in it contradicts the format.
    """
    document = parsing.parse_json(data, path)
    items = document.get("shapes") if isinstance(document, dict) else None
    if not isinstance(items, list):
        raise parsing.unexpected_json(_TOOL, path, "has no list 'shapes'")
    problems: list[tuple[str, str]] = []
    image, size = document.get("imagePath"), values.parse_size(document.get("imageWidth"), document.get("imageHeight"))
    skipping, shapes = Skipping(problems), list[_Shape]()
    for number, item in enumerate(items):
        with skipping:
            shape = _parse_shape(item, f"shapes[{number}]", path, problems)
            if shape is not None and with_outlines:
                shape = replace(shape, outline=_parse_outline(shape, item, size))
            shapes += [shape] if shape else []
    return LabelmeFile(
        # Some tools name the JSON file itself; the image is inside, or has the file's own name.
        image if isinstance(image, str) and not image.lower().endswith(".json") else "",
        size,
        tuple(_join_shapes(shapes, problems)),
        tuple(problems),
        _find_embedded_image(document.get("imageData"), data),
    )


def _find_embedded_image(text: Any, data: bytes) -> tuple[int, int] | None:
    if not isinstance(text, str) or not text.isascii() or not text:
        return None
    place = data.find(text.encode("ascii"))
    return (place, len(text)) if place >= 0 else None


def _parse_shape(shape: Any, where: str, path: Path, problems: list[tuple[str, str]]) -> _Shape | None:
    if not isinstance(shape, dict):
        raise parsing.unexpected_json(_TOOL, path, f"{where} is not an object")
    label = shape.get("label")
    if label == _IGNORED:
        problems.append(("object_ignored", f"{where} is labelled {_IGNORED}"))
        return None
    kind = shape.get("shape_type") or "polygon"
    if str(kind) not in _AREAS:
        problems.append(("shape_skipped", f"{where} is a {str(kind)[:40]}"))
        return None
    if not isinstance(label, str | int) or not str(label).strip():
        problems.append(("label_missing", f"{where} has no label"))
        return None
    points = _parse_points(shape.get("points"), where, path)
    if len(points) < _AREAS[kind]:
        problems.append(("box_missing", f"{where} ({label}) is a {kind} with {len(points)} points"))
        return None
    group = shape.get("group_id")
    return _Shape(
        str(label).strip(),
        _make_box(points, kind),
        shape.get("difficult") is True,
        group if isinstance(group, int | str) else None,
        points,
        kind,
    )


def _parse_outline(parsed_shape: _Shape, shape: dict[str, Any], size: tuple[int, int] | None) -> Outline | None:
    """The mask of a polygon; or a mask itself, which is a PNG that lies between its two points."""
    if parsed_shape.kind in ("polygon", "rotation", "quadrilateral"):
        return masks.make_polygon(parsed_shape.points)
    if parsed_shape.kind != "mask" or size is None or not isinstance(shape.get("mask"), str):
        return None
    try:
        mask = masks.decode_png(base64.b64decode(shape["mask"]))
    except ValueError:
        return None
    corner = (parsed_shape.box.xmin, parsed_shape.box.ymin)
    if mask is None or not all(0 <= number < 1e9 for number in corner):
        return None
    return masks.paste_mask(mask, (round(corner[0]), round(corner[1])), size)


def _make_box(points: list[tuple[float, float]], kind: str) -> Box:
    """A rectangle's corners stand in the order of drawing; a circle is its centre and a point of its edge."""
    if kind != "circle":
        return enclose_points(points)
    radius = math.dist(points[0], points[1])
    return enclose_ellipse(points[0], (radius, radius))


def _parse_points(value: Any, where: str, path: Path) -> list[tuple[float, float]]:
    points = []
    for point in value if isinstance(value, list) else []:
        coordinates = values.parse_numbers(point, 2)
        if coordinates is None:
            raise parsing.unexpected_json(_TOOL, path, f"{where}: a point is not two numbers: {str(point)[:60]}")
        points.append((coordinates[0], coordinates[1]))
    return points


def _join_shapes(shapes: list[_Shape], problems: list[tuple[str, str]]) -> Iterator[ObjectAnnotation]:
    """One object a shape, or a group of outlines with the same label, as labelme's own converter to masks has it."""
    groups: dict[tuple[str, Any], list[_Shape]] = {}
    for number, shape in enumerate(shapes):
        is_single = shape.group is None or shape.kind not in _PARTS
        group_key = (None, number) if is_single else (type(shape.group), shape.group)
        groups.setdefault((shape.label, group_key), []).append(shape)
    for (label, _), parts in groups.items():
        if len(parts) > 1:
            problems.append(("shapes_joined", f"{len(parts)} outlines of '{label}' with group_id {parts[0].group}"))
        box = enclose_boxes(part.box for part in parts)
        outline = parts[0].outline if len(parts) == 1 else masks.join_outlines([part.outline for part in parts])
        yield ObjectAnnotation(label, box, difficult=any(part.difficult for part in parts), outline=outline)
