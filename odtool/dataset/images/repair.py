"""Pixels made fit for TensorFlow: decoded, turned upright, flattened, brought to 8 bits, and encoded again."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from odtool.dataset.images import decoded_formats, image_file
from odtool.dataset.images.image_error import ImageError
from odtool.dataset.images.image_file import ImageHeader, Read
from odtool.dataset.images.memory_estimate import reserve_memory
from odtool.dataset.images.pillow import open_image
from odtool.dataset.types import Box, Extent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

_JPEG_QUALITY = 95
"""For JPEGs that must be encoded again, without chroma subsampling. As PNG they would be some six times larger."""
_STEP = 1 << 20
"""Bytes of pixels unpacked at a time where they are only counted."""
_UNDONE_BY = {6: 8, 8: 6}
"""EXIF orientations that are not their own inverse."""


def list_repairs(header: ImageHeader) -> tuple[str, ...]:
    """The repairs that --fix-images makes on an image with this header, as kinds of the catalogue of checks."""
    repairs = []
    if header.orientation != 1:
        repairs.append("fixed_rotation")
    if header.format == "jpeg" and header.channels == 4:
        repairs.append("fixed_cmyk")
    elif header.channels in (2, 4):
        repairs.append("fixed_alpha")
    if header.bits > 8:
        repairs.append("fixed_16bit")
    return tuple(repairs)


def find_upright_size(header: ImageHeader) -> tuple[int, int]:
    """Width and height as shown by viewers that obey the EXIF orientation."""
    if header.orientation >= 5:
        return header.height, header.width
    return header.width, header.height


def turn_box(box: Box, orientation: int, width: float, height: float) -> Box:
    """A box of the stored image as it lies in the upright one.

    Args:
        orientation: the EXIF tag 0x0112 (CIPA DC-008, 4.6.4.A), 1 to 8.
        width, height: of the stored image, in the box's unit.
    """
    left, top, right, bottom = box.xmin, box.ymin, box.xmax, box.ymax
    if orientation in (2, 3):
        left, right = width - right, width - left
    if orientation in (3, 4):
        top, bottom = height - bottom, height - top
    if orientation in (6, 7):
        top, bottom = height - bottom, height - top
    if orientation in (7, 8):
        left, right = width - right, width - left
    if orientation >= 5:
        left, top, right, bottom = top, left, bottom, right
    return Box(left, top, right, bottom)


def turn_box_back(box: Box, orientation: int, width: float, height: float) -> Box:
    """A box of the upright image, which is `width` by `height`, as it lies in the stored one."""
    return turn_box(box, invert_orientation(orientation), width, height)


def invert_orientation(orientation: int) -> int:
    """The orientation that turns back what this one turned."""
    return _UNDONE_BY.get(orientation, orientation)


def check_pixels(path: Path, extent: Extent | None = None) -> None:
    """Decodes an image to its last pixel.

    A JPEG whose data are cut but which has its end mark passes: decoders, TensorFlow's included, fill it up with gray.

    Raises:
        ImageError: TensorFlow could not decode it (measured on 2.20).
    """
    data = image_file.read_bytes(path, extent)
    if data.startswith(b"\x89PNG"):
        _check_png(data)
        return
    with _open(data) as image:
        image.load()


def _check_png(data: bytes) -> None:
    """Every row is there and every checksum right. TensorFlow insists on both, where Pillow does on neither."""
    rows = 0
    stream = zlib.decompressobj()
    width, height, depth, colour, interlaced = struct.unpack(">IIBB2xB", data[16:29])
    bits = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 0) * depth
    try:
        for kind, chunk, checksum in _find_png_chunks(data):
            # The first letter of a chunk that a decoder may pass over is in lower case (PNG, 5.4).
            if kind[:1].isupper() and zlib.crc32(chunk, zlib.crc32(kind)) != checksum:
                raise ImageError("image_unreadable", f"broken PNG: the checksum of a {kind.decode('latin-1')} is wrong")
            body = chunk if kind == b"IDAT" else b""
            while body and not stream.eof:
                rows += len(stream.decompress(body, _STEP))
                body = stream.unconsumed_tail
    except (zlib.error, struct.error) as error:
        raise ImageError("image_unreadable", f"broken PNG: {error}") from None
    # Interlaced rows are cut into seven passes, each with some bytes of its own; the stream's end must do there.
    expected_bytes = 0 if interlaced else height * (1 + (width * bits + 7) // 8)
    if not stream.eof or rows < expected_bytes:
        raise ImageError("image_truncated", f"the PNG's pixels end after {rows} of {expected_bytes or 'their'} bytes")


def _find_png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Name, body and checksum of each chunk; a struct.error where one is cut."""
    position = 8
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        (checksum,) = struct.unpack_from(">I", data, position + 8 + length)
        yield kind, data[position + 8 : position + 8 + length], checksum
        if kind == b"IEND":
            return
        position += 12 + length


def decode_pixels(data: bytes, header: ImageHeader, *, fixed: bool) -> Image.Image:
    """The first frame, 8 bits, gray ('L') or RGB: as TensorFlow decodes it, or upright and flattened where `fixed`.

    Raises:
        ImageError: it cannot be decoded, or there is too little memory.
    """
    with reserve_memory(header, fixed=fixed):
        return _decode(data, header, fixed=fixed)


def _decode(data: bytes, header: ImageHeader, *, fixed: bool) -> Image.Image:
    if header.in_rows:
        parts = memoryview(data)
        whole = decode_rows(lambda start, size: bytes(parts[start : start + size]), header, 0, None, fixed=fixed)
        return turn_upright(whole, header.orientation) if fixed else whole
    with _open(data) as image:
        image.load()
        return _simplify(turn_upright(image, header.orientation) if fixed else image, header, fixed=fixed)


def decode_jpeg_draft(
    data: bytes, header: ImageHeader, least: tuple[int, int]
) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """A JPEG at a half, a quarter or an eighth of its size, as its decoder scales it, not below this width and height.

    With it comes the part of the result that is the image: of its last column and row some may lie outside.

    Raises:
        ImageError: it cannot be decoded.
    """
    with _open(data) as image:
        whole = (0.0, 0.0, float(image.width), float(image.height))
        drafted = image.draft(None, least)
        image.load()
        return _simplify(image, header, fixed=False), drafted[1] if drafted else whole


def decode_rows(read: Read, header: ImageHeader, top: int, bottom: int | None, *, fixed: bool) -> Image.Image:
    """Some rows of an image whose header says that they can be decoded without the others, as they are stored.

    Without `bottom` to the last. The layout gives the size: where the image is to be turned, its header may have the
    size of the turned one.

    Raises:
        ImageError: they cannot be decoded.
    """
    from PIL import Image

    canvas = None
    with _raising_image_errors():
        layout = decoded_formats.find_layout(read)
        if layout is None:
            raise ImageError("image_unreadable", "it is not the image that it was")
        end_row = layout.height if bottom is None else bottom
        for first, last in layout.split_rows():
            start, end = max(first, top), min(last, end_row)
            if start >= end:
                continue
            if layout.is_deep_colour:
                pixels, above = decoded_formats.decode_deep_rows(read, layout, start, end)
                piece = _simplify_deep_colour(pixels, header, fixed=fixed)
            else:
                with decoded_formats.open_rows(read, layout, start, end) as (image, above):
                    piece = _simplify(image, header, fixed=fixed)
            canvas = canvas or Image.new(piece.mode, (layout.width, end_row - top))
            canvas.paste(piece.crop((0, start - above, layout.width, end - above)), (0, start - top))
    assert canvas is not None  # there is at least one row, as `bottom` is above `top`
    return canvas


def _simplify(image: Image.Image, header: ImageHeader, *, fixed: bool) -> Image.Image:
    """8 bits, gray ('L') or RGB; pixel by pixel, so that a part of an image becomes a part of the result."""
    from PIL import Image

    if decoded_formats.is_of_more_than_8_bits(image):
        # A PNG that is not repaired goes into records as it is, and TensorFlow drops its low bytes.
        return _reduce_to_eight_bits(image, header, by_range=fixed or header.format != "png")
    if fixed and image.has_transparency_data:
        # White is what viewers show behind it, and so what was annotated; TensorFlow shows the hidden colours.
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")


def _simplify_deep_colour(pixels: NDArray[np.uint16], header: ImageHeader, *, fixed: bool) -> Image.Image:
    """The high 8 of the bits that are used, by the same shift for all channels, or the colours would change."""
    import numpy as np
    from PIL import Image

    image = Image.fromarray(np.minimum(pixels >> (header.used_bits - 8), 255).astype(np.uint8))
    if not fixed or image.mode == "RGB":
        return image.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def encode_image(data: bytes, header: ImageHeader, *, fixed: bool) -> bytes:
    """An image's pixels as a JPEG where it was one, else as a PNG; raises as `pixels` does."""
    with reserve_memory(header, fixed=fixed):
        image = decode_pixels(data, header, fixed=fixed)
        image.info.clear()  # or its old EXIF and ICC data would go into the new file
        return compress(image, header.format)


def compress(image: Image.Image, format_name: str) -> bytes:
    """A JPEG for what comes from one, a PNG for all else, which is without loss."""
    stream = io.BytesIO()
    if format_name == "jpeg":
        image.save(stream, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    else:
        image.save(stream, "PNG", compress_level=3)
    return stream.getvalue()


@contextmanager
def _open(data: bytes) -> Iterator[Image.Image]:
    """The image, with whatever Pillow raises in here turned into an ImageError."""
    with _raising_image_errors(), open_image(data) as image:
        yield image


@contextmanager
def _raising_image_errors() -> Iterator[None]:
    try:
        yield
    except (MemoryError, ImageError):
        raise
    except Exception as error:  # Pillow's decoders raise anything from SyntaxError to struct.error on broken files
        kind = "image_truncated" if "truncated" in str(error) else "image_unreadable"
        raise ImageError(kind, f"{type(error).__name__}: {error}") from None


def turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    """The image turned as its EXIF orientation asks."""
    from PIL.Image import Transpose

    turn = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(orientation)
    return image if turn is None else image.transpose(turn)


def _reduce_to_eight_bits(image: Image.Image, header: ImageHeader, *, by_range: bool) -> Image.Image:
    """The high 8 of the bits that the image's values use; Pillow's own conversion would clip them to white.

    Floats and negative numbers have no agreed range: from the least to the largest value they go from black to white.

    Args:
        by_range: otherwise 16 bits lose their low byte whatever they hold, as in TensorFlow.
    """
    import numpy as np
    from PIL import Image

    values = np.asarray(image)
    low, high = header.values or decoded_formats.measure_values(image)
    if header.is_stretched:
        # In 64 bits, as the range of 32-bit floats may be more than they can hold.
        shares = (values.astype(np.float64) - low) / (high - low or 1.0)
        return Image.fromarray(np.clip(np.nan_to_num(shares * 255), 0, 255).astype(np.uint8))
    shift = header.used_bits - 8 if by_range else 8
    return Image.fromarray(np.clip(values.astype(np.int64) >> shift, 0, 255).astype(np.uint8))
