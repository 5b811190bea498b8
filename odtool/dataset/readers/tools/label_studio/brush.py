"""Label Studio's brush strokes: run lengths of an image's RGBA bytes, packed to bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from odtool.dataset.images.masks import MOST_PIXELS

if TYPE_CHECKING:
    from odtool.dataset.images.masks import Mask

_CHANNELS = 4
_ALPHA = 3


def decode_stroke(packed: Any, width: int, height: int) -> Mask:
    """The mask of an image of this size: where a stroke's alpha is not 0.

    The bits are those of rle-pack (thi.ng/umbrella): the number of bytes, their width and four widths of lengths; then
    runs, each of a flag (one value again and again, or as many values), the width of its length, the length and values.

    Raises:
        ValueError: it is not so, or not for this size.
    """
    import numpy as np

    if not isinstance(packed, list) or not all(type(byte) is int and 0 <= byte < 256 for byte in packed):
        raise ValueError("rle is not a list of bytes")
    count = width * height * _CHANNELS
    if width * height > MOST_PIXELS:
        raise ValueError(f"the image is too large: {width}x{height}")
    values, lengths = [], []
    total = 0
    for value, length in _read_runs("".join(f"{byte:08b}" for byte in packed), count):
        values.append(value)
        lengths.append(length)
        total += length
    if total != count:
        raise ValueError(f"rle has {total} bytes, not those of {width}x{height} pixels")
    alpha = np.repeat(np.array(values, np.uint8), lengths)[_ALPHA::_CHANNELS]
    mask: Mask = alpha.reshape(height, width) > 0
    return mask


def _read_runs(bits: str, count: int) -> Iterator[tuple[int, int]]:
    """Values and how often they follow each other, no more than asked for."""
    place = 0

    def read(length: int) -> int:
        nonlocal place
        place += length
        if place > len(bits):
            raise ValueError("rle is cut short")
        return int(bits[place - length : place], 2)

    if read(32) != count:
        raise ValueError("rle is for another size")
    width = read(5) + 1
    if width != 8:
        raise ValueError(f"rle has values of {width} bits")
    sizes = [read(4) + 1 for _ in range(4)]
    while count > 0:
        is_repeated = read(1)
        length = min(read(sizes[read(2)]) + 1, count)
        count -= length
        if is_repeated:
            yield read(width), length
        else:
            for _ in range(length):
                yield read(width), 1
