"""BDD100K and Scalabel JSON: frames with labels that have a box2d, in one list or a file an image.

The fields are those of scalabel/label/typing.py and of bdd-data/doc/format.md. Corners are kept as they stand, also
where Scalabel counts the last pixel in. Read are box2d, and outlines (poly2d that are closed, rle) where a label has no
box. Lanes and drivable areas are no objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from odtool.dataset.images.masks import enclose_outline, join_outlines, make_polygon, parse_coco
from odtool.dataset.readers.common import parsing, values
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.image_lists import ImageEntry, Listing, list_spellings, read_image_documents
from odtool.dataset.readers.common.streams import input_files, json_items
from odtool.dataset.readers.common.streams.json_lines import Line
from odtool.dataset.types import Box, Finding, ObjectAnnotation, Outline, Source

_CORNERS = ("x1", "y1", "x2", "y2")
_NO_OBJECTS = ("lane", "area/", "drivable", "direct", "alternative")
"""How categories of lanes and areas begin."""
_TRUE = (True, "true", "True", 1)


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as BDD100K's or Scalabel's, or None."""
    return find_evidence(path, ".json", _looks_like, "has frames with labels and box2d or poly2d")


def _looks_like(path: Path) -> bool:
    if path.suffix.lower() != ".json":
        return False
    text = input_files.read_ends(path)
    has_shape = (b'"box2d"' in text and b'"x1"' in text) or (b'"poly2d"' in text and b'"vertices"' in text)
    return has_shape and b'"category"' in text and (b'"labels"' in text or b'"objects"' in text)


def read(source: Source) -> Iterator[Finding]:
    """Every frame of the files: of lists one at a time, and of files for one image."""
    if source.path.is_file():
        is_of_one = _is_of_one_image(source.path)
        return (_read_image_files if is_of_one else _read_lists)(source)
    return chain(_read_lists(source), _read_image_files(source))


def _read_lists(source: Source) -> Iterator[Finding]:
    looks_like = partial(_select, of_one_image=False)
    return json_items.read_json_items(source, ".json", looks_like, "frames", lambda _fields, _path: parse)


def _read_image_files(source: Source) -> Iterator[Finding]:
    return read_image_documents(source, ".json", partial(_select, of_one_image=True), parse_file)


def _select(path: Path, *, of_one_image: bool) -> bool:
    return _looks_like(path) and _is_of_one_image(path) == of_one_image


def _is_of_one_image(path: Path) -> bool:
    """BDD100K's first release has a file an image, whose one frame has `objects` in place of `labels`."""
    text = input_files.read_ends(path)
    return text.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{") and b'"objects"' in text and b'"labels"' not in text


def parse_file(data: bytes, path: Path) -> Listing:
    """Parses the bytes of a file for one image; `path` is only named in errors.

    Raises:
        DataError: it is not JSON, or not as BDD100K has it.
    """
    document = parsing.parse_json(data, path)
    fields = document if isinstance(document, dict) else {}
    frames = fields.get("frames")
    if not isinstance(frames, list) or not frames or not isinstance(frames[0], dict):
        raise parsing.unexpected_json("BDD100K", path, "has no list of frames")
    line = Line(path, 0)
    if len(frames) > 1:
        line.report("entry_ignored", f"{len(frames) - 1} further frames of {fields.get('name')}")
    entry = parse({"name": fields.get("name")} | frames[0], line)
    return Listing((entry,), tuple(line.problems))


def parse(frame: dict[str, Any], line: Line) -> ImageEntry:
    """The image of one frame; boxes are in pixels.

    Raises:
        DataError: it names no image, or its labels are not a list of objects.
    """
    names = list(_list_names(frame))
    if not names:
        raise line.error("a frame without a name")
    labels = frame.get("labels", frame.get("objects")) or []
    if not isinstance(labels, list) or not all(isinstance(label, dict) for label in labels):
        raise line.error(f"{names[0]}: labels is not a list of objects")
    parsed = [_parse_label(label, f"{names[0]}: label {number}", line) for number, label in enumerate(labels, start=1)]
    size = frame.get("size", frame)  # converters write the sides beside the name
    return ImageEntry(
        tuple(dict.fromkeys(names)),
        tuple(item for item in parsed if item is not None),
        values.parse_size(size.get("width"), size.get("height")) if isinstance(size, dict) else None,
    )


def _list_names(frame: dict[str, Any]) -> Iterator[str]:
    """Frames of a video lie in a folder with its name."""
    name, video, url = (values.parse_label(frame.get(key)) for key in ("name", "videoName", "url"))
    if name and video:
        yield f"{video}/{name}"
    if name:
        yield name
    yield from list_spellings(url)


def _parse_label(label: dict[str, Any], where: str, line: Line) -> ObjectAnnotation | None:
    category = values.parse_label(label.get("category"))
    corners = values.parse_fields(label.get("box2d"), *_CORNERS)
    outline = None if corners else _parse_outline(label, category)
    box = Box(*corners) if corners else enclose_outline(outline) if outline else None
    if box is None:
        values.refuse_words(label.get("box2d"), _CORNERS, where, line.path, line.number)
        kind = "box_missing" if label.get("box2d") else "shape_skipped"
        line.report(kind, f"{where} ({category or 'without a category'}) has no box and no closed outline")
        return None
    if not category:
        line.report("label_missing", f"{where} has no category")
        return None
    attributes = label.get("attributes")
    flags = attributes if isinstance(attributes, dict) else {}
    return ObjectAnnotation(
        category,
        box,
        truncated=flags.get("truncated") in _TRUE,
        occluded=flags.get("occluded") in _TRUE,
        is_crowd=flags.get("crowd") in _TRUE,
        outline=outline,
    )


def _parse_outline(label: dict[str, Any], category: str) -> Outline | None:
    if category.lower().startswith(_NO_OBJECTS):
        return None
    if isinstance(label.get("rle"), dict):
        return parse_coco(label["rle"])
    parts = label.get("poly2d")
    parts = [parts] if isinstance(parts, dict) else parts
    if not isinstance(parts, list) or not all(isinstance(part, dict) and part.get("closed") is True for part in parts):
        return None
    polygons = [make_polygon(values.parse_points(part.get("vertices")) or []) for part in parts]
    return join_outlines(polygons) if polygons else None
