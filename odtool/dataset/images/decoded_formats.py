"""What is known of an image of a format that is decoded in any case: GIF, BMP, WebP and TIFF are encoded again later.

A large TIFF is decoded some rows at a time.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from odtool.dataset.images import tiff
from odtool.dataset.images.image_error import ImageError
from odtool.dataset.images.pillow import open_image
from odtool.dataset.images.tiff import TiffLayout

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

Read = Callable[[int, int], bytes]
Range = tuple[float, float]
_FORMATS = ("GIF", "TIFF", "BMP", "DIB", "WEBP")
_CHANNELS = {"1": 1, "L": 1, "P": 3, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}
"""Of Pillow's modes, as TensorFlow's decoders would give them."""
_WHOLE = 1 << 26
"""Bytes of pixels up to which a TIFF is decoded at once, which is faster."""
_LARGEST_BLOCK = 1 << 28
"""Bytes of pixels of the rows that cannot be decoded without each other; beyond, nothing is gained by parts."""


@dataclass(frozen=True)
class DecodedImage:
    """What Pillow says of an image that it has decoded to its end."""

    format: str
    """'gif', 'bmp', 'webp' or 'tiff'."""
    width: int
    height: int
    channels: int
    bits: int
    """Bits a channel."""
    orientation: int
    palette: bool
    values: Range | None
    """The least and the largest value of an image of more than 8 bits."""
    is_float: bool
    piece: int
    """Pixels that are decoded at once where some rows are decoded without the others; else 0."""


def examine(read: Read, size: int) -> DecodedImage:
    """Decodes an image, and forgets its pixels. Pillow's decoders raise anything on broken files."""
    if layout := find_layout(read):
        return _examine_rows(read, layout)
    with open_image(read(0, size), _FORMATS) as image:
        image.load()
        is_deep = is_of_more_than_8_bits(image)
        return DecodedImage(
            {"DIB": "bmp"}.get(image.format or "", (image.format or "").lower()),
            *image.size,
            _count_channels(image),
            _get_bits(image) if is_deep else 8,
            int(image.getexif().get(0x0112, 1)),
            image.mode == "P",
            measure_values(image) if is_deep else None,
            image.mode.startswith("F"),
            0,
        )


def find_layout(read: Read) -> TiffLayout | None:
    """Where the pixels of a TIFF lie that is decoded some rows at a time; None for any other image.

    Those are large ones, what Pillow does not open (BigTIFF) and what it would take half of (colours of 16 bits).
    """
    if read(0, 4) not in (b"II*\0", b"MM\0*", *tiff.BIG):
        return None
    try:
        layout = tiff.read_layout(read)
    except (struct.error, IndexError, ValueError):  # Pillow may still find its way
        return None
    if layout is None or layout.block_row_bytes > _LARGEST_BLOCK:
        return None
    return layout if layout.bytes > _WHOLE or layout.is_deep_colour or read(0, 4) in tiff.BIG else None


def _examine_rows(read: Read, layout: TiffLayout) -> DecodedImage:
    mode, channels, values = "", 0, None
    for top, bottom in layout.split_rows():
        if layout.is_deep_colour:
            pixels, _ = decode_deep_rows(read, layout, top, bottom)
            values = _widen(values, (float(pixels[..., :3].min()), float(pixels[..., :3].max())))
            mode, channels = "RGB", 4 if layout.has_alpha else 3
            continue
        with open_rows(read, layout, top, bottom) as (image, _):
            mode, channels = image.mode, _count_channels(image)
            if is_of_more_than_8_bits(image):
                values = _widen(values, measure_values(image))
    return DecodedImage(
        "tiff",
        layout.width,
        layout.height,
        channels,
        layout.bits if values else 8,
        layout.orientation if 1 <= layout.orientation <= 8 else 1,
        mode == "P",
        values,
        mode.startswith("F"),
        layout.width * max(bottom - top for top, bottom in layout.split_rows()),
    )


@contextmanager
def open_rows(read: Read, layout: TiffLayout, top: int, bottom: int) -> Iterator[tuple[Image.Image, int]]:
    """Some rows of a TIFF, decoded, with others above and below them; and the row of the image that is its first."""
    data, first = tiff.pack_rows(read, layout, top, bottom)
    with open_image(data, ("TIFF",)) as image:
        image.load()
        yield image, first


def decode_deep_rows(read: Read, layout: TiffLayout, top: int, bottom: int) -> tuple[NDArray[np.uint16], int]:
    """The same of an image of 16 bits in colour: [rows, width, 3], or 4 with an alpha channel, for which Pillow has no
    mode."""
    import numpy as np

    gray_tiffs, first = tiff.pack_planes_as_gray(read, layout, top, bottom)
    planes = []
    for data in gray_tiffs:
        with open_image(data, ("TIFF",)) as image:
            values = np.asarray(image).astype(np.uint16)
        channels = layout.samples // layout.planes
        blocks = values.reshape(len(values), layout.across, layout.block_width, channels)
        if layout.differences:
            blocks = np.cumsum(blocks, axis=2, dtype=np.uint16)
        planes.append(blocks.reshape(len(values), layout.across * layout.block_width, channels)[:, : layout.width])
    pixels = np.concatenate(planes, axis=2)
    return pixels[..., : 4 if layout.has_alpha else 3], first


def is_of_more_than_8_bits(image: Image.Image) -> bool:
    """Whether a channel has more; Pillow has no mode for such images in colour."""
    return image.mode.startswith(("I", "F"))


def measure_values(image: Image.Image) -> Range:
    """The least and the largest value of an image of one channel; what is not a number is left out."""
    import numpy as np

    values = np.asarray(image)
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)


def measure_png(data: bytes) -> Range | None:
    """The range of a gray PNG of 16 bits; None where Pillow cannot decode it, which is not looked for here.

    Raises:
        ImageError: there is too little memory for its pixels.
    """
    try:
        with open_image(data, ("PNG",)) as image:
            return measure_values(image)
    except ImageError:
        raise
    except Exception:  # as elsewhere, Pillow's decoders raise anything; whoever decodes it for its pixels says why
        return None


def _widen(values: Range | None, others: Range) -> Range:
    return others if values is None else (min(values[0], others[0]), max(values[1], others[1]))


def _count_channels(image: Image.Image) -> int:
    return _CHANNELS.get(image.mode, len(image.getbands()))


def _get_bits(image: Image.Image) -> int:
    """Bits a channel that a TIFF says it has (tag 258)."""
    (bits, *_) = getattr(image, "tag_v2", {}).get(258, ()) or (16,)
    return int(bits)
