"""Projects of VIA's version 3: files, views and metadata in three tables that name each other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from odtool.dataset.images import masks
from odtool.dataset.readers.common import faults, shapes, values
from odtool.dataset.readers.common.faults import AnnotationError, CollectedProblems
from odtool.dataset.readers.common.image_lists import Listing
from odtool.dataset.readers.common.streams.json_document import JsonDocument
from odtool.dataset.readers.common.streams.overflow import LongList, ObjectGroups, Overflow
from odtool.dataset.readers.tools.via.via_regions import Region, ViaImage, make_listing, weigh_region
from odtool.dataset.types import Box

_RECTANGLE, _CIRCLE, _ELLIPSE, _POLYLINE, _POLYGON, _EXTREME_RECTANGLE, _EXTREME_CIRCLE = 2, 3, 4, 6, 7, 8, 9
"""_VIA_RSHAPE of via-3.x.y/src/js/_via_const.js; 1 is a point and 5 a line."""
_IMAGE = 2
"""_VIA_FILE_TYPE of the same; sounds and videos are others."""


def looks_like(text: bytes) -> bool:
    """Whether the beginning and end of a file are a project's."""
    return b'"vid_list"' in text or (b'"fid_list"' in text and b'"metadata"' in text)


def parse(document: JsonDocument, overflow: Overflow) -> Listing:
    """What a project says. Of its tables, only that of attributes is in memory as a whole.

    Raises:
        DataError: one of its tables is missing or is not one.
    """
    for name in ("file", "view", "metadata", "attribute"):
        if not document.is_object(name):
            raise _refuse_table(document.path, name)
    problems = LongList[tuple[str, str]](overflow)
    views = _read_views(document, problems)
    attributes = dict(_iterate_table(document, "attribute"))
    regions = ObjectGroups[Region](overflow, weigh_region)
    for number, (_, item) in enumerate(_iterate_table(document, "metadata"), start=1):
        view, shape = views.get(str(item.get("vid"))), item.get("xy")
        if view is None or not shape:
            continue  # what is said of the whole image, or of a view that is left out and counted above
        region = _parse_region(shape, item.get("av"), attributes, f"{view.name}: region {number}", problems)
        if region is not None:
            regions.add(view.number, region)
    return make_listing(_ProjectImages(views, regions), problems, overflow)


class _View(NamedTuple):
    """A view of one image."""

    number: int
    """In the order of the table."""
    name: str
    """Of the image."""


class _ProjectImages:
    """The images of a project, as often as they are asked for."""

    def __init__(self, views: dict[str, _View], regions: ObjectGroups[Region]) -> None:
        self._views, self._regions = views, regions

    def __iter__(self) -> Iterator[ViaImage]:
        groups = chain(self._regions, [(-1, list[Region]())])
        number, regions = next(groups)
        for view in self._views.values():
            own = tuple[Region, ...]()
            if view.number == number:
                own = tuple(regions)
                number, regions = next(groups)
            yield ViaImage(view.name, own)


def _read_views(document: JsonDocument, problems: CollectedProblems) -> dict[str, _View]:
    """The views of one image each, by their ids."""
    names = {
        key: file["fname"]
        for key, file in _iterate_table(document, "file")
        if file.get("type", _IMAGE) == _IMAGE and isinstance(file.get("fname"), str)
    }
    views: dict[str, _View] = {}
    for key, item in _iterate_table(document, "view"):
        file_ids = item.get("fid_list")
        name = names.get(str(file_ids[0])) if isinstance(file_ids, list) and len(file_ids) == 1 else None
        if name is None:
            problems.append(("entry_ignored", f"view {key} is not of one image"))
        else:
            views[key] = _View(len(views), name)
    return views


def _parse_region(
    shape: Any, attribute_values: Any, attributes: dict[str, dict[str, Any]], where: str, problems: CollectedProblems
) -> Region | None:
    box = _parse_box(shape)
    if box is None and (not isinstance(shape, list) or None in map(values.parse_number, shape)):
        problems.append((faults.RECORD, f"{where}: not a shape of numbers: {str(shape)[:80]}"))
    elif box is None:
        point = shape[0] in (1, 5)
        problems.append(("shape_skipped" if point else "box_missing", f"{where}: {str(shape)[:80]}"))
    else:
        coordinates = values.parse_numbers(shape, len(shape)) or ()
        is_line = coordinates[0] in (_POLYLINE, _POLYGON)
        corners = zip(coordinates[1::2], coordinates[2::2], strict=False) if is_line else ()
        return Region(box, _parse_attributes(attribute_values, attributes), where, masks.make_polygon(corners))
    return None


def _iterate_table(document: JsonDocument, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, item in document.iterate_members(name):
        if not isinstance(item, dict):
            raise _refuse_table(document.path, name)
        yield key, item


def _refuse_table(path: Path, name: str) -> AnnotationError:
    return AnnotationError(path, f"'{name}' is not a table of objects", "Save the project in VIA 3 again.")


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
