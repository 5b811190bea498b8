"""Image files: format, true size and wholeness from their headers and ends alone."""

from __future__ import annotations

import binascii
import errno
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from odtool.dataset.images import decoded_formats, tiff
from odtool.dataset.images.image_error import ImageError
from odtool.dataset.pickling import by_position
from odtool.dataset.types import Extent

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".jpe", ".jfif")
"""Lower-case endings of the files that are looked for as images, the likeliest first."""
_READING = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""Not waiting for whoever may write into a pipe, of which no part can then be read."""
_HEAD = 4096
"""Bytes read at first; most headers end within them."""
_TAIL = 65536
"""Bytes at the end in which the end mark is looked for, as some cameras write padding or a trailer after it."""
_NAMES = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "png": (".png",),
    "gif": (".gif",),
    "bmp": (".bmp", ".dib"),
    "webp": (".webp",),
    "tiff": (".tif", ".tiff"),
}
_SEGMENT = struct.Struct(">BBHBHHB")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Codes of the JPEG segments that are frame headers."""
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))
"""Codes of those that have no length."""
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}


@by_position
@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What an image file says of itself."""

    format: str
    """'jpeg', 'png', 'gif', 'bmp', 'webp' or 'tiff', by content, not by name."""
    width: int
    height: int
    """Pixels as stored, before any EXIF rotation: what TensorFlow decodes."""
    channels: int
    bits: int
    """Bits a channel."""
    bytes: int
    """Size of the file."""
    orientation: int = 1
    """The EXIF tag: 1 is upright; 5 to 8 swap width and height for viewers that obey it."""
    palette: bool = False
    values: tuple[float, float] | None = None
    """The least and the largest value of an image of more than 8 bits; None where they were not looked at."""
    is_float: bool = False
    piece: int = 0
    """Pixels that are decoded at once of one whose rows are decoded without the others, as of a large TIFF; else 0."""
    fingerprint: int = field(default=0, compare=False)
    """The same for files with the same bytes; seldom for others: 64 bits of the size and the first bytes."""

    @property
    def used_bits(self) -> int:
        """Bits that the values take up, which may be fewer than are stored: 12 of 16, as from many cameras."""
        if self.values is None or self.is_stretched:
            return self.bits
        return min(max(int(self.values[1]).bit_length(), 8), self.bits)

    @property
    def is_stretched(self) -> bool:
        """Whether the values have no agreed black and white: floats and negative numbers."""
        return self.is_float or (self.values is not None and self.values[0] < 0)

    @property
    def in_rows(self) -> bool:
        """Whether some of its rows are decoded without the others."""
        return self.piece > 0

    @property
    def written_as_is(self) -> bool:
        """Whether the file's own bytes go into the record: what the API's decoder takes as JPEG or PNG."""
        return self.format in ("jpeg", "png")

    def name_fits(self, path: Path) -> bool:
        return path.suffix.lower() in _NAMES[self.format]


Read = Callable[[int, int], bytes]
"""Bytes of the file: (offset, length); fewer at its end."""


def read_header(path: Path, extent: Extent | None = None) -> ImageHeader:
    """Reads an image's header, and its last bytes to see that it is whole.

    `extent` says where in the file the image lies; without it, it is the whole file.

    Raises:
        ImageError: the file is missing, empty, truncated or no image.
    """
    try:
        if extent and extent.encoded:
            return parse_header(read_bytes(path, extent))
        # Without waiting for whoever may write into a pipe: seeking in one is an error, below.
        descriptor = os.open(path, _READING)
    except (FileNotFoundError, NotADirectoryError):
        raise ImageError("image_missing", "no such file") from None
    except ImageError:
        raise
    except (OSError, ValueError) as error:
        raise ImageError("image_unreadable", str(error)) from None
    try:
        # Seeking tells a file's size, too, and in a third of the time.
        start, size = (extent.offset, extent.length) if extent else (0, os.lseek(descriptor, 0, os.SEEK_END))
        head = os.pread(descriptor, min(_HEAD, size), start)

        def read(offset: int, length: int) -> bytes:
            if offset + length <= len(head):
                return head[offset : offset + length]
            return os.pread(descriptor, max(min(length, size - offset), 0), start + offset)

        return _identify(head, size, read)
    except OSError as error:
        what = "a pipe, not a file" if error.errno == errno.ESPIPE else error.strerror or str(error)
        raise ImageError("image_unreadable", what) from None
    except (struct.error, IndexError):
        raise ImageError("image_truncated", "the file ends within its header") from None
    finally:
        os.close(descriptor)


def parse_header(data: bytes) -> ImageHeader:
    """The header of an encoded image; raises as `read_header` does."""
    try:
        return _identify(data[:_HEAD], len(data), reading(data))
    except (struct.error, IndexError):
        raise ImageError("image_truncated", "the file ends within its header") from None


def _identify(head: bytes, size: int, read: Read) -> ImageHeader:
    if not head:
        raise ImageError("image_unreadable", "the file is empty")
    if head[:3] == b"\xff\xd8\xff":
        header = _parse_jpeg(head, size, read)
    elif head[:8] == b"\x89PNG\r\n\x1a\n":
        header = _parse_png(head, size, read)
    elif (
        head[:4] in (b"GIF8", b"II*\0", b"MM\0*", *tiff.BIG)
        or head[:2] == b"BM"
        or head[:4] + head[8:12] == b"RIFFWEBP"
    ):
        header = replace(_parse_by_decoding(read, size), fingerprint=_compute_fingerprint(head, size))
    else:
        raise ImageError("image_unreadable", f"not an image that can be read (it begins with {head[:8]!r})")
    if header.width < 1 or header.height < 1:
        raise ImageError("image_unreadable", f"its size is {header.width}x{header.height}")
    return header


def _compute_fingerprint(head: bytes, size: int) -> int:
    import google_crc32c  # a fifth of the time of zlib's sum

    first: int = google_crc32c.value(head)
    return first << 32 | size & 0xFFFFFFFF


def _parse_jpeg(head: bytes, size: int, read: Read) -> ImageHeader:
    """Walks the segments to the frame header (ITU T.81, B.1.1.3 and B.2.2)."""
    position, orientation = 2, 1
    while True:
        # A segment's mark, code and length, and what follows in a frame header. All of it is there in any whole file.
        if position + _SEGMENT.size <= len(head):
            mark, code, length, bits, height, width, channels = _SEGMENT.unpack_from(head, position)
        else:
            mark, code, length, bits, height, width, channels = _SEGMENT.unpack(read(position, _SEGMENT.size))
        if mark != 0xFF:
            raise ImageError("image_unreadable", f"broken JPEG: no marker at byte {position}")
        if code in _FRAMES:
            if bits != 8 or code > 0xC2:  # not baseline, extended or progressive
                raise ImageError("image_unreadable", f"JPEG of a kind that TensorFlow cannot decode ({bits} bits)")
            _require_end_mark(read, size, b"\xff\xd9", "JPEG")
            fingerprint = _compute_fingerprint(head, size)
            return ImageHeader("jpeg", width, height, channels, bits, size, orientation, fingerprint=fingerprint)
        if code in (0xD9, 0xDA):
            raise ImageError("image_unreadable", "broken JPEG: no frame header before the image data")
        if code == 0xFF:  # fill byte
            position += 1
        elif code in _ALONE:
            position += 2
        else:
            if code == 0xE1 and read(position + 4, 6) == b"Exif\0\0":
                orientation = _parse_orientation(read(position + 10, length - 8)) or orientation
            position += 2 + length if length > 2 else 4


def _parse_png(head: bytes, size: int, read: Read) -> ImageHeader:
    if head[12:16] != b"IHDR":
        raise ImageError("image_unreadable", "broken PNG: it does not begin with IHDR")
    width, height, bits, colour = struct.unpack(">IIBB", head[16:26])
    if colour not in _PNG_CHANNELS or width > 1 << 24 or height > 1 << 24:
        raise ImageError("image_unreadable", f"broken PNG: {width}x{height}, colour type {colour}")
    _require_end_mark(read, size, b"IEND\xaeB`\x82", "PNG")
    orientation = 1
    position = 33
    # eXIf may stand anywhere before IEND; before the pixels is where writers put it.
    while (chunk := read(position, 8)) and len(chunk) == 8 and chunk[4:] not in (b"IDAT", b"IEND"):
        length = int.from_bytes(chunk[:4], "big")
        if chunk[4:] == b"eXIf":
            orientation = _parse_orientation(read(position + 8, min(length, _TAIL))) or orientation
        position += 12 + length
    values = decoded_formats.measure_png(read(0, size)) if (bits, colour) == (16, 0) else None
    fingerprint = _compute_fingerprint(head, size)
    return ImageHeader(
        "png",
        width,
        height,
        _PNG_CHANNELS[colour],
        bits,
        size,
        orientation,
        colour == 3,
        values=values,
        fingerprint=fingerprint,
    )


def _require_end_mark(read: Read, size: int, mark: bytes, name: str) -> None:
    """TensorFlow refuses a JPEG or PNG without its end mark (measured on 2.20), and training would stop there."""
    if read(max(size - len(mark), 0), len(mark)) == mark:
        return
    start = max(size - _TAIL, 0)
    if mark not in read(start, size - start):
        raise ImageError("image_truncated", f"the {name} data ends too early")


def _parse_orientation(exif: bytes) -> int | None:
    """The orientation (tag 0x0112) of a TIFF directory, or None where there is none to be read."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 8:
        return None
    (start,) = struct.unpack_from(order + "I", exif, 4)
    if start + 2 > len(exif):
        return None
    (count,) = struct.unpack_from(order + "H", exif, start)
    for entry in range(start + 2, min(start + 2 + 12 * count, len(exif) - 11), 12):
        tag, kind = struct.unpack_from(order + "HH", exif, entry)
        if tag == 0x0112 and kind == 3:
            (value,) = struct.unpack_from(order + "H", exif, entry + 8)
            return value if 1 <= value <= 8 else None
    return None


def _parse_by_decoding(read: Read, size: int) -> ImageHeader:
    """Formats rare enough here to be decoded; they are encoded again later."""
    try:
        found = decoded_formats.examine(read, size)
    except ImageError:
        raise
    except Exception as error:  # Pillow's decoders raise anything from SyntaxError to struct.error on broken files
        raise ImageError("image_unreadable", f"{type(error).__name__}: {error}") from None
    return ImageHeader(
        found.format,
        found.width,
        found.height,
        found.channels,
        found.bits,
        size,
        found.orientation,
        found.palette,
        found.values,
        found.is_float,
        found.piece,
    )


def reading(data: bytes) -> Read:
    """Reads parts of an image that is in memory."""
    return lambda offset, length: data[offset : offset + length]


@contextmanager
def open_reader(path: Path, extent: Extent | None = None) -> Iterator[Read]:
    """Reads parts of an image that lies on disk as it is."""
    descriptor = os.open(path, _READING)
    try:
        start, size = (extent.offset, extent.length) if extent else (0, os.fstat(descriptor).st_size)
        yield lambda offset, length: os.pread(descriptor, max(min(length, size - offset), 0), start + offset)
    finally:
        os.close(descriptor)


def read_bytes(path: Path | str, extent: Extent | None = None) -> bytes:
    """The encoded image as it is stored; shorter than its header said where the file has been cut since."""
    descriptor = os.open(path, _READING)
    try:
        offset, size = (extent.offset, extent.length) if extent else (0, os.fstat(descriptor).st_size)
        data = os.pread(descriptor, size, offset)
        while 0 < len(data) < size:  # one call gives at most 2 GB
            piece = os.pread(descriptor, size - len(data), offset + len(data))
            if not piece:
                break
            data += piece
        return binascii.a2b_base64(data) if extent and extent.encoded else data
    finally:
        os.close(descriptor)
