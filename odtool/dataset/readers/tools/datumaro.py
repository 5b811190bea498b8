"""Datumaro JSON: a file a subset with its label categories and items, whose annotations name their label by number.

The fields are those of datumaro/plugins/data_formats/datumaro/base.py. Read are boxes, polygons, masks, ellipses and
turned boxes; an outline and a box of one label in one group are one object.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from odtool.dataset.dialects import make_box
from odtool.dataset.images.masks import enclose_outline, join_outlines, make_polygon, parse_coco
from odtool.dataset.readers.common import shapes, values
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.faults import AnnotationError, undefined_class
from odtool.dataset.readers.common.image_lists import ImageEntry
from odtool.dataset.readers.common.streams import input_files, json_items
from odtool.dataset.readers.common.streams.json_lines import Line, ParseRow
from odtool.dataset.types import Box, Finding, ObjectAnnotation, Outline, Source

_AREAS = ("bbox", "polygon", "mask", "ellipse", "rotated_bbox")


@dataclass(frozen=True)
class _Part:
    """One annotation: an object, or with others of its group a part of one."""

    annotation: ObjectAnnotation
    kind: str
    group: Any


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as Datumaro's, or None."""
    return find_evidence(path, ".json", _looks_like, "has Datumaro's categories and items")


def _looks_like(path: Path) -> bool:
    if path.suffix.lower() != ".json":
        return False
    text = input_files.read_ends(path)
    return all(key in text for key in (b'"categories"', b'"items"', b'"annotations"', b'"labels"')) and (
        b'"label_id"' in text or b'"infos"' in text or b'"media_type"' in text
    )


def read(source: Source) -> Iterator[Finding]:
    """Every item of the files, one at a time."""
    return json_items.read_json_items(source, ".json", _looks_like, "items", _make_parser)


def _make_parser(fields: dict[str, Any], path: Path) -> ParseRow:
    return partial(parse, parse_labels(fields.get("categories"), path))


def parse_labels(categories: Any, path: Path) -> list[str]:
    """Names by label_id.

    Raises:
        DataError: they do not stand before the items, as Datumaro writes them, or are not names.
    """
    section = categories.get("label") if isinstance(categories, dict) else None
    labels = section.get("labels") if isinstance(section, dict) else None
    if not isinstance(labels, list):
        raise AnnotationError(path, "no categories with a list of labels before the items, as Datumaro writes them")
    names = [values.parse_label(label.get("name")) if isinstance(label, dict) else "" for label in labels]
    if not all(names):
        raise AnnotationError(path, f"label {names.index('')} of its categories has no name")
    return names


def parse(names: list[str], item: dict[str, Any], line: Line) -> ImageEntry | None:
    """The image of one item; boxes are in pixels. None for a point cloud or a video.

    Raises:
        DataError: it has neither path nor id, or an annotation has a label_id that the categories do not have.
    """
    media = item.get("image") or item.get("media")
    media = media if isinstance(media, dict) else {}
    references = [values.parse_label(value) for value in (media.get("path"), item.get("id"))]
    references = [reference for reference in references if reference]
    annotations = item.get("annotations") or []
    if not references or not isinstance(annotations, list):
        raise line.error("an item without id, or whose annotations are not a list")
    if not media and any(key in item for key in ("point_cloud", "video", "video_frame")):
        line.report("entry_ignored", f"item {references[0]} is no image")
        return None
    parts = [
        part
        for number, annotation in enumerate(annotations, start=1)
        if (part := _parse_part(annotation, f"{references[0]}: annotation {number}", names, line)) is not None
    ]
    size = values.parse_numbers(media.get("size"), 2)
    return ImageEntry(
        tuple(dict.fromkeys(references)),
        tuple(_join_parts(parts, line)),
        values.parse_size(size[1], size[0]) if size else None,
    )


def _parse_part(item: Any, where: str, names: list[str], line: Line) -> _Part | None:
    if not isinstance(item, dict):
        raise line.error(f"{where} is not an object")
    kind, number = values.parse_label(item.get("type")), item.get("label_id")
    if kind not in _AREAS:
        line.report("shape_skipped", f"{where} is a {kind[:40] or 'thing without a type'}")
        return None
    if number is None:
        line.report("label_missing", f"{where} has no label_id")
        return None
    if type(number) is not int or not 0 <= number < len(names):
        what = f"{where} has label_id {str(number)[:20]}, which is not in its categories"
        raise undefined_class(line.path, what, line=line.number)
    outline = _parse_outline(item, kind)
    box = _parse_box(item, kind, outline)
    if box is None:
        values.refuse_words(item, ("bbox", "points"), where, line.path, line.number)
        line.report("box_missing", f"{where} ({names[number]}) is a {kind} without usable numbers")
        return None
    attributes = item.get("attributes")
    flags = attributes if isinstance(attributes, dict) else {}
    annotation = ObjectAnnotation(
        names[number],
        box,
        difficult=flags.get("difficult") is True,
        truncated=flags.get("truncated") is True,
        occluded=flags.get("occluded") is True,
        is_crowd=flags.get("is_crowd") is True,
        outline=outline,
    )
    return _Part(annotation, kind, item.get("group"))


def _parse_outline(item: dict[str, Any], kind: str) -> Outline | None:
    if kind == "mask":
        return parse_coco(item.get("rle"))
    if kind != "polygon":
        return None
    points = item.get("points")
    numbers = values.parse_numbers(points, len(points)) if isinstance(points, list) else None
    return make_polygon(zip(numbers[::2], numbers[1::2], strict=False)) if numbers else None


def _parse_box(item: dict[str, Any], kind: str, outline: Outline | None) -> Box | None:
    if kind in ("mask", "polygon"):
        return enclose_outline(outline) if outline else None
    if kind == "ellipse":
        corners = values.parse_numbers(item.get("points"), 4)
        return Box(*corners) if corners else None
    if kind == "rotated_bbox":
        five = values.parse_numbers(item.get("points"), 5)
        if five is None:
            return None
        x, y, width, height, radians = five
        upright = make_box((x, y, width, height), "cxcywh")
        return shapes.enclose_turned(upright, math.degrees(radians))
    sides = values.parse_numbers(item.get("bbox"), 4)
    return make_box(sides, "xywh") if sides else None


def _join_parts(parts: list[_Part], line: Line) -> Iterator[ObjectAnnotation]:
    """Outlines of one label in one group are an object, with the box of that group where there is one.

    Where there are several such boxes, as of two hands of one person, each is an object.
    """
    groups: dict[tuple[str, Any], list[_Part]] = {}
    for number, part in enumerate(parts):
        is_single = type(part.group) is not int or part.group == 0 or part.kind not in ("bbox", "polygon", "mask")
        key = (part.annotation.label, ("", number) if is_single else part.group)
        groups.setdefault(key, []).append(part)
    for members in groups.values():
        boxes = [part.annotation for part in members if part.kind == "bbox"]
        outlined = [part.annotation for part in members if part.kind != "bbox"]
        if not outlined or len(boxes) > 1 or len(members) == 1:
            yield from (part.annotation for part in members)
            continue
        line.report("shapes_joined", f"{len(members)} annotations of '{outlined[0].label}' in group {members[0].group}")
        whole = boxes[0] if boxes else outlined[0]
        box = whole.box if boxes else shapes.enclose_boxes(item.box for item in outlined)
        outlines = [item.outline for item in outlined]
        yield replace(whole, box=box, outline=outlines[0] if len(outlines) == 1 else join_outlines(outlines))
