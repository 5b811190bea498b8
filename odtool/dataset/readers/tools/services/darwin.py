"""V7 Darwin JSON: a file an image, its item's name under `item` (version 2) or `image` (version 1).

The fields are those of darwin/utils/utils.py of V7's own SDK. Read are bounding boxes, polygons and ellipses; tags,
lines, points, skeletons, raster masks and videos are told and left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from odtool.dataset.dialects import make_box
from odtool.dataset.images.masks import make_polygon
from odtool.dataset.readers.common import parsing, values
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.image_lists import ImageEntry, Listing, parse_objects, read_image_documents
from odtool.dataset.readers.common.shapes import enclose_ellipse, enclose_points
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.types import Box, Finding, ObjectAnnotation, Outline, Source

_TOOL = "V7 Darwin"
_SIDES = ("x", "y", "w", "h")


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as V7's, or None."""
    return find_evidence(path, ".json", _looks_like, "has an item and annotations of V7 Darwin")


def _looks_like(path: Path) -> bool:
    if path.suffix.lower() != ".json":
        return False
    text = input_files.read_ends(path)
    if b'"annotations"' not in text:
        return False
    is_second = b'"item"' in text and (b"darwin" in text or b'"slots"' in text)
    is_first = b'"image"' in text and b'"workview_url"' in text
    return is_second or is_first


def read(source: Source) -> Iterator[Finding]:
    """Every image of the files."""
    return read_image_documents(source, ".json", _looks_like, parse)


def parse(data: bytes, path: Path) -> Listing:
    """Parses a file's bytes, one image or a list of them; `path` is only named in errors. Boxes are in pixels.

    Raises:
        DataError: it is not JSON, or not as V7 writes it.
    """
    document = parsing.parse_json(data, path)
    problems: list[tuple[str, str]] = []
    documents = document if isinstance(document, list) and document else [document]
    entries = [_parse_image(item, path, problems) for item in documents]
    return Listing(tuple(entry for entry in entries if entry is not None), tuple(problems))


def _parse_image(document: Any, path: Path, problems: list[tuple[str, str]]) -> ImageEntry | None:
    """One image; None for a video, and for an image that lost all its objects to faults."""
    fields = document if isinstance(document, dict) else {}
    item, annotations = fields.get("item") or fields.get("image"), fields.get("annotations")
    if not isinstance(item, dict) or not isinstance(annotations, list):
        raise parsing.unexpected_json(_TOOL, path, "has no item and list of annotations")
    item = {"slots": fields.get("slots")} | item  # converters write them beside the item
    names, size = _parse_item(item)
    if not names:
        raise parsing.unexpected_json(_TOOL, path, "its item has no name")
    if _is_video(item):
        problems.append(("entry_ignored", f"{names[0]} is a video, of which odtool reads exported frames only"))
        return None
    objects = parse_objects(annotations, partial(_parse_annotation, names[-1], path, problems), problems)
    return None if objects is None else ImageEntry(names, objects, size)


def _parse_item(item: dict[str, Any]) -> tuple[tuple[str, ...], tuple[int, int] | None]:
    """What the image may be called, that with its folder first, and its size."""
    slots = item.get("slots")
    slot = slots[0] if isinstance(slots, list) and slots and isinstance(slots[0], dict) else {}
    files = slot.get("source_files")
    file = files[0] if isinstance(files, list) and files and isinstance(files[0], dict) else {}
    candidates = (
        item.get("name"), item.get("filename"), item.get("original_filename"), file.get("file_name"),
    )  # fmt: skip
    names = [name for name in map(values.parse_label, candidates) if name]
    folder = values.parse_label(item.get("path")).strip("/")
    within = [f"{folder}/{name}" for name in names] if folder else []
    sides = slot if slot else item
    return tuple(dict.fromkeys([*within, *names])), values.parse_size(sides.get("width"), sides.get("height"))


def _is_video(item: dict[str, Any]) -> bool:
    slots = item.get("slots")
    holders = [item, *(slots if isinstance(slots, list) else [])]
    return any(isinstance(holder, dict) and holder.get("frame_urls") for holder in holders)


def _parse_annotation(
    image: str, path: Path, problems: list[tuple[str, str]], item: Any, number: int
) -> ObjectAnnotation | None:
    where = f"{image}: annotation {number}"
    if not isinstance(item, dict):
        raise parsing.unexpected_json(_TOOL, path, f"{where} is not an object")
    for shape, names in (("bounding_box", _SIDES), ("polygon", ("path", "paths")), ("ellipse", ("center", "radius"))):
        values.refuse_words(item.get(shape), names, where, path)
    label, outline = values.parse_label(item.get("name")), _parse_polygon(item.get("polygon"))
    box = _parse_box(item)
    if box is None:
        is_area = "bounding_box" in item or "polygon" in item or "ellipse" in item
        kinds = ", ".join(sorted(item.keys() - {"id", "name", "slot_names", "properties", "annotators", "reviewers"}))
        problems.append(("box_missing" if is_area else "shape_skipped", f"{where} ({label}): {kinds[:60]}"))
        return None
    if not label:
        problems.append(("label_missing", f"{where} has no name"))
        return None
    return ObjectAnnotation(label, box, outline=outline)


def _parse_box(item: dict[str, Any]) -> Box | None:
    if (sides := values.parse_fields(item.get("bounding_box"), *_SIDES)) is not None:
        return make_box(sides, "xywh")
    paths = _list_paths(item.get("polygon"))
    if paths:
        return enclose_points(point for points in paths for point in points)
    ellipse = item.get("ellipse")
    centre = values.parse_fields(ellipse.get("center"), "x", "y") if isinstance(ellipse, dict) else None
    radii = values.parse_fields(ellipse.get("radius"), "x", "y") if isinstance(ellipse, dict) else None
    if not (isinstance(ellipse, dict) and centre and radii):
        return None
    # In radians: the SDK's own example has 0.57.
    angle = values.parse_number(ellipse.get("angle")) or 0.0
    return enclose_ellipse((centre[0], centre[1]), (radii[0], radii[1]), math.degrees(angle))


def _parse_polygon(polygon: Any) -> Outline | None:
    """Paths within others are holes in V7, which an outline of polygons cannot have: then there is none."""
    paths = _list_paths(polygon)
    return make_polygon(paths[0]) if len(paths) == 1 else None


def _list_paths(polygon: Any) -> list[list[values.Point]]:
    """Of version 2 `paths`, of version 1 `path`, to which further ones stood in `additional_paths`."""
    if not isinstance(polygon, dict):
        return []
    paths = polygon.get("paths") or [polygon.get("path"), *(polygon.get("additional_paths") or [])]
    parsed = [values.parse_points(points) for points in paths] if isinstance(paths, list) else []
    return [points for points in parsed if points]
