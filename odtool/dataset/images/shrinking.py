"""Smaller pictures: images brought to a longest side with antialiasing, and their objects with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from odtool.dataset.dialects import stretch
from odtool.dataset.images import image_file, masks, repair
from odtool.dataset.images.image_error import ImageError
from odtool.dataset.images.image_file import ImageHeader
from odtool.dataset.images.memory_estimate import reserve_memory
from odtool.dataset.types import Extent, ObjectAnnotation, Outline

if TYPE_CHECKING:
    from PIL import Image

Size = tuple[int, int]
"""Width and height in pixels."""
_DRAFT = 2
"""Times the size asked for down to which a JPEG's own decoder may scale it, which is fast but no good filter: the rest
is left to the resampling. Pillow's thumbnails do the same."""
_NARROW_BYTES = 4
"""A pixel of all rows made narrower, which of a high and narrow image are not much less than the image."""
_ROW_PIXELS = 1 << 24
"""Pixels of the rows that are decoded at a time of an image that can be decoded in parts."""


def find_shrunk_size(size: Size, max_side: int) -> Size | None:
    """The size with this longest side; None for an image that is within it already."""
    longest = max(size)
    if longest <= max_side:
        return None
    width, height = (max(1, (2 * side * max_side + longest) // (2 * longest)) for side in size)
    return width, height


def shrink_objects(objects: Sequence[ObjectAnnotation], old: Size, new: Size) -> tuple[ObjectAnnotation, ...]:
    """The objects of an image of the old size as they lie in the new one, with outlines, keypoints and areas."""
    across, down = new[0] / old[0], new[1] / old[1]
    return tuple(
        replace(stretch(item, across, down), outline=item.outline and _shrink_outline(item.outline, old, new))
        for item in objects
    )


def _shrink_outline(outline: Outline, old: Size, new: Size) -> Outline:
    """An outline is turned after it is drawn, so that its own numbers are those of the image before."""
    if outline.turn >= 5:
        old, new = old[::-1], new[::-1]
    if outline.polygons:
        return masks.scale_outline(outline, new[0] / old[0], new[1] / old[1])
    return masks.resize_runs(outline, new)


def encode_shrunk(path: Path, extent: Extent | None, header: ImageHeader, size: Size, *, fixed: bool) -> bytes:
    """An image at a smaller size, as a JPEG where it is one, else as a PNG.

    Args:
        header: with the size that the image has when it is written whole.
        fixed: turn it upright and flatten it, as `repair.decode_pixels` does.

    Raises:
        ImageError: it cannot be decoded, has another length than its header says, or takes more memory than there is.
        OSError: it cannot be read.
    """
    is_turned = fixed and header.orientation >= 5
    if is_turned:  # it is made smaller before it is turned, so that fewer pixels are
        header = replace(header, width=header.height, height=header.width)
        size = size[::-1]
    rows = count_rows(extent, header)
    narrow = 0 if rows is None else size[0] * header.height * _NARROW_BYTES
    with reserve_memory(header, fixed=fixed, rows=rows, beside=narrow):
        if rows is not None:
            image = _shrink_by_rows(path, extent, header, size, rows, fixed=fixed)
        else:
            data = image_file.read_bytes(path, extent)
            if len(data) != header.bytes:
                raise ImageError("image_truncated", f"it has {len(data)} bytes, and had {header.bytes}")
            image = _shrink_whole(data, header, size, fixed=fixed)
        image.info.clear()  # or its old EXIF and ICC data would go into the new file
        return repair.compress(repair.turn_upright(image, header.orientation) if fixed else image, header.format)


def count_rows(extent: Extent | None, header: ImageHeader) -> int | None:
    """Rows that are decoded at a time; None for an image that is decoded whole."""
    is_whole = not header.in_rows or bool(extent and extent.encoded)
    return None if is_whole else max(1, _ROW_PIXELS // header.width)


def _shrink_whole(data: bytes, header: ImageHeader, size: Size, *, fixed: bool) -> Image.Image:
    from PIL.Image import Resampling

    upright_header = replace(header, orientation=1)  # what is turned is the result
    if header.format == "jpeg":
        image, area = repair.decode_jpeg_draft(data, upright_header, (_DRAFT * size[0], _DRAFT * size[1]))
        return image.resize(size, Resampling.LANCZOS, area)
    return repair.decode_pixels(data, upright_header, fixed=fixed).resize(size, Resampling.LANCZOS)


def _shrink_by_rows(
    path: Path, extent: Extent | None, header: ImageHeader, size: Size, rows: int, *, fixed: bool
) -> Image.Image:
    """The same, never with the whole image in memory: all rows are made narrower, and then the columns lower.

    Pillow resamples in this order itself, so that the result is that of the whole image.
    """
    from PIL import Image

    narrow = None
    with image_file.open_reader(path, extent) as read:
        for top in range(0, header.height, rows):
            bottom = min(top + rows, header.height)
            piece = repair.decode_rows(read, header, top, bottom, fixed=fixed)
            narrow = narrow or Image.new(piece.mode, (size[0], header.height))
            narrow.paste(piece.resize((size[0], bottom - top), Image.Resampling.LANCZOS), (0, top))
            del piece  # or it would lie in memory beside the next one
    assert narrow is not None  # an image has at least one row
    return narrow.resize(size, Image.Resampling.LANCZOS)
