"""How much memory the pixels of an image take on their way into a record, as its header tells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from odtool.dataset.images import decoding_memory
from odtool.dataset.images.image_file import ImageHeader

_STRETCHED_BYTES, _DEEP_BYTES, _FLATTENED_BYTES, _WEBP_BYTES, _COLOUR_BYTES, _GRAY_BYTES = 40, 24, 20, 28, 12, 6
"""What a pixel takes until it is encoded again, copies of Pillow's and numpy's included. Measured with Pillow 12.0 and
numpy 2.3 on images of 20 million pixels, upright and turned: 36, 22, 20, 24, 12 and 5; the others are rounded up."""


def estimate_memory(header: ImageHeader, *, fixed: bool, rows: int | None = None) -> int:
    """Bytes that it takes to decode an image and to encode it again.

    Args:
        rows: of an image that is decoded in rows, how many are wanted at once; without it, all.
    """
    if header.is_stretched:
        pixel_bytes = _STRETCHED_BYTES
    elif header.format == "webp":
        pixel_bytes = _WEBP_BYTES
    elif header.bits > 8:
        pixel_bytes = _DEEP_BYTES
    elif fixed and header.format != "jpeg" and (header.channels in (2, 4) or header.palette):
        pixel_bytes = _FLATTENED_BYTES
    else:
        pixel_bytes = _GRAY_BYTES if header.channels == 1 else _COLOUR_BYTES
    if not header.in_rows:
        return header.width * header.height * pixel_bytes + header.bytes
    # The rows are gathered in an image of their own, which may be turned.
    canvas = header.width * (rows or header.height) * (1 if header.channels == 1 else 4) * (2 if fixed else 1)
    return min(header.piece, header.width * header.height) * pixel_bytes + canvas


@contextmanager
def reserve_memory(header: ImageHeader, *, fixed: bool, rows: int | None = None, beside: int = 0) -> Iterator[None]:
    """Runs with the memory that it takes to decode an image and to encode it again; see `estimate_memory`.

    Args:
        beside: bytes that are needed at the same time.

    Raises:
        ImageError: there is less.
    """
    size = estimate_memory(header, fixed=fixed, rows=rows) + beside
    with decoding_memory.reserve(size, f"{header.width}x{header.height} pixels"):
        yield
