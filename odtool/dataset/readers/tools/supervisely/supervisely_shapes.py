"""Supervisely's shapes: the box and the mask of polygons, bitmaps and oriented boxes."""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from typing import TYPE_CHECKING, Any

from odtool.dataset.images import masks
from odtool.dataset.readers.common import shapes, values
from odtool.dataset.types import Box, Outline

if TYPE_CHECKING:
    from odtool.dataset.images.masks import Mask


def parse_box(item: dict[str, Any]) -> Box | None:
    """The box of a bitmap, or around the points of another shape; None where there is neither."""
    points, bitmap = item.get("points"), item.get("bitmap")
    if isinstance(bitmap, dict):
        origin, size = values.parse_numbers(bitmap.get("origin"), 2), _read_bitmap_size(bitmap.get("data"))
        if origin and size:
            return Box(origin[0], origin[1], origin[0] + size[0], origin[1] + size[1])
    corners = values.parse_points(points.get("exterior")) if isinstance(points, dict) else None
    if not corners:
        return None
    # Of oriented boxes these are the corners before they are turned. Older releases of its SDK have degrees.
    angle = values.parse_number(item.get("angle")) or 0.0
    return shapes.enclose_turned(
        shapes.enclose_points(corners), math.degrees(angle) if abs(angle) <= math.tau else angle
    )


def parse_outline(item: dict[str, Any], size: tuple[int, int]) -> Outline | None:
    """The mask of a bitmap or a polygon, holes left out."""
    points, bitmap = item.get("points"), item.get("bitmap")
    if isinstance(bitmap, dict):
        origin, mask = values.parse_numbers(bitmap.get("origin"), 2), _decode_bitmap(bitmap.get("data"))
        if origin is None or mask is None or not all(0 <= number < 1e9 for number in origin):
            return None
        return masks.paste_mask(mask, (int(origin[0]), int(origin[1])), size)
    if item.get("geometryType", item.get("type")) != "polygon" or not isinstance(points, dict):
        return None
    exterior, holes = values.parse_points(points.get("exterior")) or [], points.get("interior") or []
    outer = masks.make_polygon(exterior)
    inner = [masks.make_polygon(values.parse_points(hole) or []) for hole in holes] if isinstance(holes, list) else []
    return masks.cut_holes(outer, [hole for hole in inner if hole], size) if outer else None


def _decode_bitmap(data: Any) -> Mask | None:
    size = _read_bitmap_size(data)
    if size is None or size[0] * size[1] > masks.MOST_PIXELS:
        return None
    try:
        # No PNG of this size is larger.
        unpacked = zlib.decompressobj().decompress(base64.b64decode(data), 8 * size[0] * size[1] + (1 << 16))
    except (ValueError, zlib.error):
        return None
    return masks.decode_png(unpacked)


def _read_bitmap_size(data: Any) -> tuple[int, int] | None:
    """Width and height of a mask, cropped to the object: a PNG in zlib in base64, of which the first bytes do."""
    if not isinstance(data, str):
        return None
    try:
        head = zlib.decompressobj().decompress(base64.b64decode(data[:4096] + "=" * (-len(data[:4096]) % 4)), 24)
    except (binascii.Error, ValueError, zlib.error):
        return None
    if len(head) < 24 or head[:8] != b"\x89PNG\r\n\x1a\n":
        return None
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    return (width, height) if width and height else None
