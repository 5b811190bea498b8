"""Instance masks: from polygons, run lengths and bitmaps to the PNGs that the API's decoder reads."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from odtool.dataset.images import decoding_memory
from odtool.dataset.images.pillow import open_image
from odtool.dataset.types import Box, Outline

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Mask: TypeAlias = npt.NDArray[np.bool_]
    """Height by width."""

MOST_PIXELS = 1 << 28
"""In an image whose masks are laid out whole while they are read: a byte each."""
_MASK_BYTES = 12
"""What a pixel of a bitmap takes until it is an array, with colours, transparency and copies."""
_FAR = 2.0
"""Image widths and heights beyond which points are pulled in: drawing a line costs its length."""


def parse_coco(value: Any) -> Outline | None:
    """COCO's `segmentation`: a list of polygons, or run lengths as a list or compressed; None for what is neither."""
    if isinstance(value, dict):
        size, counts = value.get("size"), value.get("counts")
        if not (isinstance(size, list) and len(size) == 2 and all(type(side) is int and side > 0 for side in size)):
            return None
        if isinstance(counts, str):
            return Outline(counts=counts, height=size[0], width=size[1])
        if isinstance(counts, list) and all(type(count) is int and count >= 0 for count in counts):
            return Outline(counts=tuple(counts), height=size[0], width=size[1])
        return None
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(item, int | float) for item in value):
        value = [value]  # one polygon without the list around it
    polygons = [tuple(polygon) for polygon in value if _is_polygon(polygon)]
    return Outline(polygons=tuple(polygons)) if polygons else None


def _is_polygon(points: Any) -> bool:
    """Three points or more, which pycocotools asks for, too."""
    if not isinstance(points, list) or len(points) < 6 or len(points) % 2:
        return False
    return all(type(number) in (int, float) and abs(number) < 1e9 for number in points)


def make_polygon(points: Iterable[tuple[float, float]]) -> Outline | None:
    """The outline with these corners; None for fewer than three, or numbers that are none."""
    numbers = [number for point in points for number in point]
    # Beyond that no image reaches; not a number compares to nothing.
    usable = len(numbers) >= 6 and all(abs(number) < 1e9 for number in numbers)
    return Outline(polygons=(tuple(numbers),)) if usable else None


def join_outlines(outlines: Sequence[Outline | None]) -> Outline | None:
    """The polygons of parts of one object; None where a part has none."""
    polygons = tuple(polygon for outline in outlines if outline for polygon in outline.polygons)
    return Outline(polygons=polygons) if all(outline and outline.polygons for outline in outlines) else None


def scale_outline(outline: Outline, across: float, down: float) -> Outline:
    """The outline with its polygons stretched, as from fractions to pixels; run lengths are for pixels anyway."""
    polygons = tuple(
        tuple(number * (down if index % 2 else across) for index, number in enumerate(polygon))
        for polygon in outline.polygons
    )
    return replace(outline, polygons=polygons)


def resize_runs(outline: Outline, size: tuple[int, int]) -> Outline:
    """Run lengths for an image of another width and height, each pixel that of the nearest; unchanged where broken."""
    import numpy as np

    if find_fault(outline, outline.width, outline.height):
        return outline
    ends = np.cumsum(np.asarray(_decode_lengths(outline), np.int64))
    columns = ((np.arange(size[0]) + 0.5) * outline.width / size[0]).astype(np.int64)
    rows = ((np.arange(size[1]) + 0.5) * outline.height / size[1]).astype(np.int64)
    # Column by column, for neither image is ever laid out: they may be of any size.
    changes = [np.empty(0, np.int64)]
    last = False
    for number, column in enumerate(columns):
        inside = np.searchsorted(ends, column * outline.height + rows, side="right") % 2 == 1
        changes.append(np.flatnonzero(np.diff(inside, prepend=last)) + number * size[1])
        last = bool(inside[-1])
    lengths = np.diff(np.concatenate(changes), prepend=0, append=size[0] * size[1])
    return replace(outline, counts=tuple(lengths.tolist()), width=size[0], height=size[1])


def paste_mask(mask: Mask, corner: tuple[int, int], size: tuple[int, int]) -> Outline | None:
    """The outline of a mask that lies in an image of this width and height, its top left pixel at the corner.

    None where the image is larger than may be decoded.
    """
    import numpy as np
    from pycocotools import mask as coco

    (left, top), (width, height) = corner, size
    if width * height > MOST_PIXELS:
        return None
    canvas = np.zeros((height, width), np.uint8, order="F")
    right, bottom = min(left + mask.shape[1], width), min(top + mask.shape[0], height)
    if 0 <= left < right and 0 <= top < bottom:
        canvas[top:bottom, left:right] = mask[: bottom - top, : right - left]
    return Outline(counts=coco.encode(canvas)["counts"].decode("ascii"), width=width, height=height)


def cut_holes(outline: Outline, holes: Sequence[Outline], size: tuple[int, int]) -> Outline | None:
    """An outline with others cut out of it, in an image of this width and height."""
    if not holes or size[0] * size[1] > MOST_PIXELS:
        return None if holes else outline
    window, nowhere = (0, 0, *size), Box(0, 0, 0, 0)
    mask = draw(outline, nowhere, size, window)
    for hole in holes:
        mask = mask & ~draw(hole, nowhere, size, window)
    return paste_mask(mask, (0, 0), size)


def decode_png(data: bytes) -> Mask | None:
    """A PNG's mask: what is not transparent, or where nothing may be, not black; None where it cannot be decoded."""
    import numpy as np

    try:
        with open_image(data, ("PNG",)) as image:
            size = image.width * image.height
            if size > MOST_PIXELS:
                return None
            with decoding_memory.reserve(size * _MASK_BYTES, f"{image.width}x{image.height} pixels"):
                clear = "A" in image.getbands() or "transparency" in image.info
                pixels = np.asarray(image.convert("RGBA").getchannel("A") if clear else image.convert("L"))
    except Exception:  # Pillow's decoders raise anything from SyntaxError to struct.error on broken files
        return None
    mask: Mask = pixels > 0
    return mask


def find_box(mask: Mask) -> Box | None:
    """The box around what is set in a mask; None where nothing is."""
    import numpy as np

    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        return None
    return Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def enclose_outline(outline: Outline) -> Box | None:
    """The box around an outline; None where it is empty or cannot be read."""
    if outline.polygons:
        xs = [x for polygon in outline.polygons for x in polygon[0::2]]
        ys = [y for polygon in outline.polygons for y in polygon[1::2]]
        return Box(min(xs), min(ys), max(xs), max(ys))
    if find_fault(outline, outline.width, outline.height):
        return None
    place, corners = 0, list[tuple[int, int, int, int]]()
    for number, length in enumerate(_decode_lengths(outline)):
        if number % 2 and length:
            left, top = divmod(place, outline.height)
            right, bottom = divmod(place + length - 1, outline.height)
            # A run on into the next column has the whole height in it.
            corners.append((left, 0 if right > left else top, right, outline.height - 1 if right > left else bottom))
        place += length
    if not corners:
        return None
    lefts, tops, rights, bottoms = zip(*corners, strict=True)
    return Box(min(lefts), min(tops), max(rights) + 1, max(bottoms) + 1)


def find_fault(outline: Outline, width: int, height: int) -> str:
    """What is wrong with an outline for an image of this size, or ''."""
    if outline.polygons:
        return ""
    if (outline.width, outline.height) != (width, height):
        return f"its run lengths are for {outline.width}x{outline.height}"
    try:
        lengths = _decode_lengths(outline)
    except ValueError as error:
        return str(error)
    if min(lengths, default=0) < 0 or sum(lengths) != width * height:
        return f"its run lengths do not add up to {width * height} pixels"
    return ""


def draw(outline: Outline | None, box: Box, size: tuple[int, int], window: tuple[int, int, int, int]) -> Mask:
    """The mask in a window of the image; an object without outline fills its box.

    Args:
        box: in pixels of the window.
        size: width and height of the image as it is written, after any turning.
        window: x, y, width and height.
    """
    import numpy as np

    x, y, width, height = window
    if outline is None:
        box_mask = np.zeros((height, width), bool)
        left, top = round(box.xmin), round(box.ymin)
        box_mask[top : max(round(box.ymax), top + 1), left : max(round(box.xmax), left + 1)] = True
        return box_mask
    if outline.turn == 1:
        return _draw_runs(_encode_runs(outline, *size), size[1], window)
    frame = size if outline.turn < 5 else (size[1], size[0])
    full_mask = _turn(_draw_runs(_encode_runs(outline, *frame), frame[1], (0, 0, *frame)), outline.turn)
    return full_mask[y : y + height, x : x + width]


def _turn(mask: Mask, orientation: int) -> Mask:
    """As repair turns the pixels."""
    import numpy as np

    result: Mask
    if orientation in (2, 4):
        result = np.fliplr(mask) if orientation == 2 else np.flipud(mask)
    elif orientation in (5, 7):
        result = mask.T if orientation == 5 else np.rot90(mask, 2).T
    else:
        result = np.rot90(mask, {3: 2, 6: -1, 8: 1}[orientation])
    return result


def _encode_runs(outline: Outline, width: int, height: int) -> Sequence[int]:
    """Lengths of the runs of background and object in turn, down the columns, as COCO has it."""
    if not outline.polygons:
        return _decode_lengths(outline)
    from pycocotools import mask

    across, down = _FAR * width, _FAR * height
    polygons = [
        [
            min(max(number, -(down if place % 2 else across)), down if place % 2 else across)
            for place, number in enumerate(polygon)
        ]
        for polygon in outline.polygons
    ]
    encoding = mask.merge(mask.frPyObjects(polygons, height, width))
    return _uncompress(encoding["counts"].decode("ascii"))


def _decode_lengths(outline: Outline) -> Sequence[int]:
    return _uncompress(outline.counts) if isinstance(outline.counts, str) else outline.counts


def _uncompress(text: str) -> list[int]:
    """Run lengths from COCO's compressed form.

    Five bits a character with a bit for 'more follows', least first, signed; from the fourth on, each is the difference
    to the one two before (cocoapi, common/maskApi.c, rleFrString).
    """
    lengths: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64:
            raise ValueError(f"its run lengths contain the character {character!r}")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            if shift > 60:
                raise ValueError("its run lengths contain a number that does not end")
            continue
        if code & 16:
            value -= 1 << shift
        lengths.append(value + lengths[-2] if len(lengths) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("its run lengths are cut short")
    return lengths


def _draw_runs(lengths: Sequence[int], image_height: int, window: tuple[int, int, int, int]) -> Mask:
    """The mask in a window; only the window's columns are ever laid out."""
    import numpy as np

    x, y, width, height = window
    first, last = x * image_height, (x + width) * image_height
    ends = np.clip(np.cumsum(np.asarray(lengths, np.int64)), first, last)
    columns = np.repeat(np.arange(len(ends)) % 2 == 1, np.diff(ends, prepend=first))
    window_mask: Mask = columns.reshape(width, image_height)[:, y : y + height].T
    return window_mask


def encode_png(mask: Mask) -> bytes:
    """A grayscale PNG of one bit a pixel (PNG specification, 11.2): an eighth of the bytes to compress."""
    import numpy as np

    height, width = mask.shape
    rows = np.packbits(mask, axis=1)
    # Each row begins with the number of its filter: none.
    body = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(body, 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))
        for name, data in chunks
    )
