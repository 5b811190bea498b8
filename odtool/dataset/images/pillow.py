"""Pillow as odtool opens images with it: large ones allowed where memory is there for them, warnings silenced."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from odtool.dataset.images import decoding_memory
from odtool.dataset.images.image_error import ImageError

if TYPE_CHECKING:
    from PIL import Image

_FORMATS = ("JPEG", "PNG", "GIF", "TIFF", "BMP", "DIB", "WEBP")
"""Pillow's names of what is read at all; what it calls MPO is opened as JPEG. Of its dozens of others it is not known
what they take (AVIF 9 bytes a pixel before anything is asked, JPEG 2000 18), and for EPS it runs another program."""
MOST_PIXELS = 1 << 30
"""In an image that must be decoded; satellite images of 400 million are in use. Pillow's own limit is lower."""
_RGB_BYTES = 12
"""A pixel in colours that becomes one of an array: Pillow's, and two copies of its bytes."""
_PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
"""Of Pillow's modes; of all others it is 4."""
_DEEP_COPIES = 3
"""Images of more than 8 bits are looked at by numpy, for which Pillow makes two copies (measured with 12.0)."""
_COEFFICIENT_BYTES = 2
"""A channel of a pixel: libjpeg keeps the coefficients of a progressive JPEG until its last scan."""
_TIFF_COPIES = 2
"""libtiff unpacks a whole strip before Pillow takes it, and there may be but one."""
_WEBP_BYTES = 16
"""A pixel: libwebp has two canvases, Pillow a copy and the image (measured with 12.0)."""
_GIF_BYTES = 2
"""A pixel: the image, and what its frame leaves behind."""
_RLE_BYTES = 3
"""A pixel: Pillow unpacks it in Python into an array, of which it makes a copy."""


@contextmanager
def open_image(data: bytes, formats: tuple[str, ...] = _FORMATS) -> Iterator[Image.Image]:
    """The image of these bytes. Pillow raises anything on broken files, here or later.

    Memory to decode it is reserved; what is made of its pixels is the caller's to reserve.

    Args:
        formats: Pillow's names of those that it may be of.

    Raises:
        ImageError: there is too little memory.
    """
    from PIL import Image

    with allow_large_images(), ExitStack() as reserved:
        if canvas := _find_canvas(data):
            reserved.enter_context(decoding_memory.reserve(*canvas))
        with Image.open(io.BytesIO(data), formats=formats) as image:
            size, what = image.width * image.height * _count_bytes(image), f"{image.width}x{image.height} pixels"
            reserved.enter_context(decoding_memory.reserve(size + len(data), what))
            yield image


@contextmanager
def open_rgb(data: bytes) -> Iterator[Image.Image]:
    """The image of these bytes in colours, as it is stored; with memory reserved for an array of it, too.

    Raises:
        ImageError: it cannot be decoded, or there is too little memory.
    """
    with ExitStack() as stack:
        try:
            image = stack.enter_context(open_image(data))
            size, what = image.width * image.height * _RGB_BYTES, f"{image.width}x{image.height} pixels"
            stack.enter_context(decoding_memory.reserve(size, what))
            colours = image.convert("RGB")
        except (MemoryError, ImageError):
            raise
        except Exception as error:  # Pillow's decoders raise anything from SyntaxError to struct.error on broken files
            raise ImageError("image_unreadable", f"{type(error).__name__}: {error}") from None
        yield colours


@contextmanager
def allow_large_images() -> Iterator[None]:
    """Pillow's own limit is raised; it holds for opening an image and for cropping one."""
    from PIL import Image

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, MOST_PIXELS
    try:
        with warnings.catch_warnings():
            # Pillow warns of large images and odd tags; neither keeps it from decoding.
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _count_bytes(image: Image.Image) -> int:
    """What a pixel takes until it is decoded."""
    size = _PIXEL_BYTES.get(image.mode, 4)
    if image.format == "WEBP":
        return _WEBP_BYTES
    if image.format in ("JPEG", "MPO"):
        return size + _COEFFICIENT_BYTES * len(image.getbands()) if "progressive" in image.info else size
    if image.format in ("BMP", "DIB"):
        return max(size, _RLE_BYTES)
    if image.format == "GIF":
        return _GIF_BYTES
    if image.mode.startswith(("I", "F")):
        return size * _DEEP_COPIES
    return size * _TIFF_COPIES if image.format == "TIFF" else size


def _find_canvas(data: bytes) -> tuple[int, str] | None:
    """Bytes and size in words of what Pillow makes room for when it opens a file, before anything can be asked of it.

    GIF: the logical screen (GIF89a, 18). WebP: the first chunk (RFC 9649, 2.5 to 2.7).
    """
    if data[:4] == b"GIF8":
        width, height = int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
        return width * height * _GIF_BYTES, f"{width}x{height} pixels"
    if data[:4] + data[8:12] != b"RIFFWEBP":
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    elif kind == b"VP8L":
        packed = int.from_bytes(data[21:25], "little")
        width, height = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    else:
        width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    return width * height * _WEBP_BYTES, f"{width}x{height} pixels"
