"""Projects of VIA's version 3: files, views and metadata in three tables that name each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from odtool.dataset.images import masks
from odtool.dataset.readers.common import shapes, values
from odtool.dataset.readers.common.image_lists import Listing
from odtool.dataset.readers.tools.via.via_regions import Image, Region, listing_of
from odtool.dataset.types import Box
from odtool.errors import DataError

_RECTANGLE, _CIRCLE, _ELLIPSE, _POLYLINE, _POLYGON, _EXTREME_RECTANGLE, _EXTREME_CIRCLE = 2, 3, 4, 6, 7, 8, 9
"""_VIA_RSHAPE of via-3.x.y/src/js/_via_const.js; 1 is a point and 5 a line."""
_IMAGE = 2
"""_VIA_FILE_TYPE of the same; sounds and videos are others."""


def looks_like(text: bytes) -> bool:
    """Whether the beginning and end of a file are a project's."""
    return b'"vid_list"' in text or (b'"fid_list"' in text and b'"metadata"' in text)


def parse(document: dict[str, Any], path: Path) -> Listing:
    """What a project's JSON says; `path` is only named in errors.

    Raises:
        DataError: one of its tables is missing or is not one.
    """
    files, views, metadata, attributes = (
        _table(document, name, path) for name in ("file", "view", "metadata", "attribute")
    )
    problems: list[tuple[str, str]] = []
    names: dict[str, str] = {}
    for view, item in views.items():
        listed = item.get("fid_list")
        file = files.get(str(listed[0])) if isinstance(listed, list) and len(listed) == 1 else None
        if file is None or file.get("type", _IMAGE) != _IMAGE or not isinstance(file.get("fname"), str):
            problems.append(("entry_ignored", f"view {view} is not of one image"))
        else:
            names[view] = file["fname"]
    regions: dict[str, list[Region]] = {view: [] for view in names}
    for number, item in enumerate(metadata.values(), start=1):
        view, shape = str(item.get("vid")), item.get("xy")
        if view not in names or not shape:
            continue  # what is said of the whole image, or of a view that is left out and counted above
        where = f"{names[view]}: region {number}"
        box = _box(shape)
        if box is None:
            point = isinstance(shape, list) and shape[0] in (1, 5)
            problems.append(("shape_skipped" if point else "box_missing", f"{where}: {str(shape)[:80]}"))
        else:
            drawn = values.numbers(shape, len(shape)) or ()
            corners = zip(drawn[1::2], drawn[2::2], strict=False) if drawn[0] in (_POLYLINE, _POLYGON) else ()
            regions[view].append(Region(box, _attributes(item.get("av"), attributes), where, masks.polygon(corners)))
    return listing_of([Image(names[view], tuple(found)) for view, found in regions.items()], problems)


def _table(document: dict[str, Any], name: str, path: Path) -> dict[str, dict[str, Any]]:
    table = document.get(name)
    if not isinstance(table, dict) or not all(isinstance(item, dict) for item in table.values()):
        raise DataError(f"{path}: '{name}' is no table of objects", "Save the project of VIA 3 anew.")
    return table


def _box(shape: Any) -> Box | None:
    """The kind of shape and its numbers, in one list."""
    found = values.numbers(shape, len(shape)) if isinstance(shape, list) and shape else None
    if found is None:
        return None
    kind, rest = found[0], found[1:]
    if kind == _RECTANGLE and len(rest) == 4:
        return Box(rest[0], rest[1], rest[0] + rest[2], rest[1] + rest[3])
    if kind == _CIRCLE and len(rest) == 3:
        return shapes.ellipse((rest[0], rest[1]), (rest[2], rest[2]))
    if kind == _ELLIPSE and len(rest) >= 4:
        return shapes.ellipse((rest[0], rest[1]), (rest[2], rest[3]))
    # A circle by three points of its edge sticks out of their envelope by little; VIA stores no radius for it.
    around = (_POLYLINE, _POLYGON, _EXTREME_RECTANGLE, _EXTREME_CIRCLE)
    if kind in around and len(rest) >= 4 and len(rest) % 2 == 0:
        return shapes.envelope(zip(rest[0::2], rest[1::2], strict=True))
    return None


def _attributes(given: Any, known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Values by the attributes' names, chosen options by what they are called."""
    made: dict[str, Any] = {}
    for key, value in given.items() if isinstance(given, dict) else ():
        attribute = known.get(key, {})
        options = attribute.get("options")
        text = options.get(str(value), value) if isinstance(options, dict) else value
        if isinstance(options, dict) and isinstance(value, str) and "," in value and value not in options:
            text = {str(options.get(part, part)): True for part in value.split(",")}  # check boxes
        made[str(attribute.get("aname", key))] = text
    return made
