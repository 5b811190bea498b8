"""Projects of VIA's version 3: files, views and metadata in three tables that name each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from odtool.dataset.images import masks
from odtool.dataset.readers.common import faults, shapes, values
from odtool.dataset.readers.common.faults import AnnotationError
from odtool.dataset.readers.common.image_lists import Listing
from odtool.dataset.readers.common.streams.overflow import Overflow
from odtool.dataset.readers.tools.via.via_regions import Region, ViaImage, make_listing
from odtool.dataset.types import Box

_RECTANGLE, _CIRCLE, _ELLIPSE, _POLYLINE, _POLYGON, _EXTREME_RECTANGLE, _EXTREME_CIRCLE = 2, 3, 4, 6, 7, 8, 9
"""_VIA_RSHAPE of via-3.x.y/src/js/_via_const.js; 1 is a point and 5 a line."""
_IMAGE = 2
"""_VIA_FILE_TYPE of the same; sounds and videos are others."""


def looks_like(text: bytes) -> bool:
    """Whether the beginning and end of a file are a project's."""
    return b'"vid_list"' in text or (b'"fid_list"' in text and b'"metadata"' in text)


def parse(document: dict[str, Any], path: Path, overflow: Overflow) -> Listing:
    """What a project's JSON says; `path` is only named in errors.

    Raises:
        DataError: one of its tables is missing or is not one.
    """
    files, views, metadata, attributes = (
        _get_table(document, name, path) for name in ("file", "view", "metadata", "attribute")
    )
    problems: list[tuple[str, str]] = []
    names: dict[str, str] = {}
    for view, item in views.items():
        file_ids = item.get("fid_list")
        file = files.get(str(file_ids[0])) if isinstance(file_ids, list) and len(file_ids) == 1 else None
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
        box = _parse_box(shape)
        if box is None and (not isinstance(shape, list) or None in map(values.parse_number, shape)):
            problems.append((faults.RECORD, f"{where}: not a shape of numbers: {str(shape)[:80]}"))
        elif box is None:
            point = shape[0] in (1, 5)
            problems.append(("shape_skipped" if point else "box_missing", f"{where}: {str(shape)[:80]}"))
        else:
            coordinates = values.parse_numbers(shape, len(shape)) or ()
            corners = (
                zip(coordinates[1::2], coordinates[2::2], strict=False)
                if coordinates[0] in (_POLYLINE, _POLYGON)
                else ()
            )
            regions[view].append(
                Region(box, _parse_attributes(item.get("av"), attributes), where, masks.make_polygon(corners))
            )
    return make_listing(
        [ViaImage(names[view], tuple(image_regions)) for view, image_regions in regions.items()], problems, overflow
    )


def _get_table(document: dict[str, Any], name: str, path: Path) -> dict[str, dict[str, Any]]:
    table = document.get(name)
    if not isinstance(table, dict) or not all(isinstance(item, dict) for item in table.values()):
        raise AnnotationError(path, f"'{name}' is not a table of objects", "Save the project in VIA 3 again.")
    return table


def _parse_box(shape: Any) -> Box | None:
    """The kind of shape and its numbers, in one list."""
    coordinates = values.parse_numbers(shape, len(shape)) if isinstance(shape, list) and shape else None
    if coordinates is None:
        return None
    kind, lengths = coordinates[0], coordinates[1:]
    if kind == _RECTANGLE and len(lengths) == 4:
        return Box(lengths[0], lengths[1], lengths[0] + lengths[2], lengths[1] + lengths[3])
    if kind == _CIRCLE and len(lengths) == 3:
        return shapes.enclose_ellipse((lengths[0], lengths[1]), (lengths[2], lengths[2]))
    if kind == _ELLIPSE and len(lengths) >= 4:
        return shapes.enclose_ellipse((lengths[0], lengths[1]), (lengths[2], lengths[3]))
    # A circle by three points of its edge sticks out of their envelope by little; VIA stores no radius for it.
    around = (_POLYLINE, _POLYGON, _EXTREME_RECTANGLE, _EXTREME_CIRCLE)
    if kind in around and len(lengths) >= 4 and len(lengths) % 2 == 0:
        return shapes.enclose_points(zip(lengths[0::2], lengths[1::2], strict=True))
    return None


def _parse_attributes(values_by_id: Any, definitions: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Values by the attributes' names, chosen options by what they are called."""
    results: dict[str, Any] = {}
    for key, value in values_by_id.items() if isinstance(values_by_id, dict) else ():
        attribute = definitions.get(key, {})
        options = attribute.get("options")
        text = options.get(str(value), value) if isinstance(options, dict) else value
        if isinstance(options, dict) and isinstance(value, str) and "," in value and value not in options:
            text = {str(options.get(part, part)): True for part in value.split(",")}  # check boxes
        results[str(attribute.get("aname", key))] = text
    return results
