"""SuperAnnotate's vector JSON: a file an image with `metadata` and `instances`; classes by name or by id.

Read are boxes, turned boxes, polygons, ellipses and cuboids; points, lines, templates, tags and comments are told and
left out (doc.superannotate.com/docs/vector-json).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from odtool.dataset.images.masks import make_polygon
from odtool.dataset.readers.common import parsing, values
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.image_lists import ImageEntry, Listing, parse_objects, read_image_documents
from odtool.dataset.readers.common.shapes import enclose_ellipse, enclose_points
from odtool.dataset.readers.common.source_folders import walk
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.types import Box, Finding, ObjectAnnotation, Source

_TOOL = "SuperAnnotate"
_ENDINGS = ("___objects.json", "___pixel.json", ".json")
"""What follows the image's name in that of its file."""
_CORNERS = ("x1", "y1", "x2", "y2")
_TURNED = ("x1", "y1", "x2", "y2", "x3", "y3", "x4", "y4")
_CUBOID = ("f1", "f2", "r1", "r2")
_AREAS = ("bbox", "rbbox", "rotated_bbox", "polygon", "ellipse", "cuboid")
_NOT_BEGUN = "notstarted"


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as SuperAnnotate's, or None."""
    return find_evidence(path, ".json", _looks_like, "has SuperAnnotate's metadata and instances")


def _looks_like(path: Path) -> bool:
    if path.suffix.lower() != ".json":
        return False
    text = input_files.read_ends(path)
    if b'"metadata"' not in text or b'"instances"' not in text or b'"name"' not in text:
        return False
    return b'"className"' in text or b'"classId"' in text or b'"instances": []' in text or b'"instances":[]' in text


def read(source: Source) -> Iterator[Finding]:
    """Every image of the files."""
    return read_image_documents(source, ".json", _looks_like, partial(parse, names=_find_class_names(source)))


def _find_class_names(source: Source) -> dict[int, str]:
    """Names by id of the classes.json of the export; older instances have ids alone."""
    files = [folder.path / "classes.json" for folder in walk(source.root) if "classes.json" in folder.files]
    names: dict[int, str] = {}
    for file in files:
        classes = parsing.parse_json(input_files.read_bytes(file), file)
        for item in classes if isinstance(classes, list) else []:
            if isinstance(item, dict) and type(item.get("id")) is int and values.parse_label(item.get("name")):
                names.setdefault(item["id"], values.parse_label(item["name"]))
    return names


def parse(data: bytes, path: Path, *, names: Mapping[int, str] | None = None) -> Listing:
    """Parses a file's bytes, one image or the SDK's list of them. Boxes are in pixels.

    `path` gives the image's name where its metadata does not.

    Raises:
        DataError: it is not JSON, or not as SuperAnnotate writes it.
    """
    document = parsing.parse_json(data, path)
    problems: list[tuple[str, str]] = []
    items = document if isinstance(document, list) and document else [document]
    own_name = next((path.name.removesuffix(ending) for ending in _ENDINGS if path.name.endswith(ending)), path.name)
    entries = [
        _parse_image(item, "" if item is not document else own_name, names or {}, path, problems) for item in items
    ]
    return Listing(tuple(entry for entry in entries if entry is not None), tuple(problems))


def _parse_image(
    item: Any, own_name: str, names: Mapping[int, str], path: Path, problems: list[tuple[str, str]]
) -> ImageEntry | None:
    """One image; None where nobody has begun with it, or it lost all its objects to faults."""
    fields = item if isinstance(item, dict) else {}
    metadata, instances = fields.get("metadata"), fields.get("instances")
    if not isinstance(metadata, dict) or not isinstance(instances, list):
        raise parsing.unexpected_json(_TOOL, path, "has no metadata and list of instances")
    name = values.parse_label(metadata.get("name")) or own_name
    if not name:
        raise parsing.unexpected_json(_TOOL, path, "has an image without a name")
    if not instances and values.parse_label(metadata.get("status")).lower().replace(" ", "") == _NOT_BEGUN:
        problems.append(("annotation_missing", f"nobody has begun with {name}"))
        return None
    objects = parse_objects(instances, partial(_parse_instance, name, names, path, problems), problems)
    if objects is None:
        return None
    size = values.parse_size(metadata.get("width"), metadata.get("height"))
    return ImageEntry(tuple(dict.fromkeys(filter(None, (name, own_name)))), objects, size)


def _parse_instance(
    image: str, names: Mapping[int, str], path: Path, problems: list[tuple[str, str]], item: Any, number: int
) -> ObjectAnnotation | None:
    where = f"{image}: instance {number}"
    if not isinstance(item, dict):
        raise parsing.unexpected_json(_TOOL, path, f"{where} is not an object")
    kind, identity = values.parse_label(item.get("type")), item.get("classId")
    label = values.parse_label(item.get("className")) or (names.get(identity, "") if type(identity) is int else "")
    if kind not in _AREAS:
        problems.append(("shape_skipped", f"{where} ({label}) is a {kind[:40] or 'thing without a type'}"))
        return None
    values.refuse_words(item, ("points", "cx", "cy", "rx", "ry"), where, path)
    points = _parse_points(item)
    box = _parse_box(item, kind, points)
    if box is None:
        problems.append(("box_missing", f"{where} ({label}) is a {kind} without usable points"))
        return None
    if not label:
        problems.append(("label_missing", f"{where} has no className, and no classes.json names {identity}"))
        return None
    return ObjectAnnotation(label, box, outline=make_polygon(points) if kind == "polygon" and points else None)


def _parse_points(item: dict[str, Any]) -> list[values.Point] | None:
    """Numbers in a row, points, or lists of x and y."""
    points = item.get("points")
    if isinstance(points, dict):
        xs, ys = points.get("x"), points.get("y")
        points = (
            [number for pair in zip(xs, ys, strict=False) for number in pair]
            if isinstance(xs, list) and isinstance(ys, list)
            else None
        )
    if not isinstance(points, list):
        return None
    numbers = values.parse_numbers(points, len(points))
    if numbers is None:
        return values.parse_points(points)
    return list(zip(numbers[::2], numbers[1::2], strict=False)) if len(numbers) >= 4 else None


def _parse_box(item: dict[str, Any], kind: str, points: list[values.Point] | None) -> Box | None:
    if kind == "ellipse":
        five = values.parse_fields({"angle": 0} | item, "cx", "cy", "rx", "ry", "angle")
        return enclose_ellipse((five[0], five[1]), (five[2], five[3]), five[4]) if five else None
    if kind == "cuboid":
        corners = item.get("points")
        pairs = (
            [values.parse_fields(corners.get(key), "x", "y") for key in _CUBOID] if isinstance(corners, dict) else []
        )
        found = [(pair[0], pair[1]) for pair in pairs if pair]
        return enclose_points(found) if len(found) == len(_CUBOID) else None
    turned = values.parse_fields(item.get("points"), *_TURNED)
    if turned:
        return enclose_points(zip(turned[::2], turned[1::2], strict=True))
    four = values.parse_fields(item.get("points"), *_CORNERS) if kind == "bbox" else None
    if four:
        return Box(*four)
    return enclose_points(points) if points else None
