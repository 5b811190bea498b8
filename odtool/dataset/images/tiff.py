"""TIFF files read some rows at a time, so that an image larger than memory can be cut into tiles.

Pillow decodes a whole image or nothing. So the strips or tiles that hold some rows are packed as a small TIFF of their
own, with the fields of the large one that say how to decode them, and Pillow decodes that. Fields are those of TIFF 6.0
and, for files beyond 4 GiB, of BigTIFF.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

Read = Callable[[int, int], bytes]
"""Bytes of the file: (offset, length); fewer at its end."""

BIG = (b"II+\0", b"MM\0+")
"""How a BigTIFF begins."""
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _PLANES = 256, 257, 258, 259, 277, 284
_STRIP_OFFSETS, _STRIP_ROWS, _STRIP_COUNTS = 273, 278, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS = 322, 323, 324, 325
_ORIENTATION, _SAMPLE_FORMAT, _PHOTOMETRIC, _PREDICTOR, _EXTRA_SAMPLES = 274, 339, 262, 317, 338
_COPIED = (258, 259, 262, 266, 277, 284, 292, 293, 317, 320, 332, 338, 339, 347, 529, 530, 531, 532)
"""Fields that say how pixels are stored: depth, compression, colours, predictor, palette, tables of JPEG."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value by its type."""
_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_SHORT, _LONG = 3, 4
_NOT_COMPRESSED, _UNSIGNED, _FLOAT, _BLACK_IS_0, _RGB = 1, 1, 3, 1, 2
_OF_BYTES = (1, 5, 8, 32773, 32946, 34925, 50000)
"""Compressions of any bytes, whatever they mean: none, LZW, Deflate, PackBits, LZMA, Zstandard."""
_COMPRESSIONS = (1, 2, 3, 4, 5, 7, 8, 32773, 32946, 34925, 50000, 50001)
"""Those of which each strip is complete: none, CCITT, LZW, JPEG, Deflate, PackBits, LZMA, Zstandard, WebP."""
_MOST_FIELDS = 4096
_MOST_BYTES = 1 << 26
"""Of one field; the offsets of eight million strips."""
_ROWS_BYTES = 1 << 24
"""Bytes of pixels that are decoded at once where a file is read from its beginning to its end."""


@dataclass(frozen=True)
class _Field:
    """One entry of a directory."""

    kind: int
    count: int
    data: bytes

    def read_numbers(self, order: str) -> list[int]:
        code = _NUMBERS.get(self.kind)
        return list(struct.unpack(f"{order}{self.count}{code}", self.data)) if code else []


@dataclass(frozen=True)
class TiffLayout:
    """Where the pixels of a TIFF's first image lie."""

    order: str
    """'<' or '>', as struct has it."""
    width: int
    height: int
    bits: int
    """Bits a channel."""
    samples: int
    """Channels."""
    planes: int
    """How many planes the channels are stored in: 1, or one for each."""
    compression: int
    is_float: bool
    is_deep_colour: bool
    """Whether it is RGB of 16 bits, perhaps with a fourth channel, of which Pillow gives the high bytes alone."""
    has_alpha: bool
    differences: bool
    """Whether a pixel is stored as its difference from the one to the left (predictor 2)."""
    orientation: int
    block_width: int
    block_height: int
    """Of a strip or tile, in pixels."""
    is_tiled: bool
    offsets: Sequence[int]
    """Of all strips or tiles, row by row, plane after plane."""
    counts: Sequence[int]
    """Their bytes."""
    fields: dict[int, _Field] = field(repr=False)
    """Those that are copied."""

    @property
    def is_one_strip(self) -> bool:
        """Whether all pixels lie in one strip that is not compressed."""
        is_alone = len(self.offsets) == 1 and not self.is_tiled and self.planes == 1
        return is_alone and self.compression == _NOT_COMPRESSED

    @property
    def across(self) -> int:
        """Tiles side by side."""
        return -(-self.width // self.block_width)

    @property
    def down(self) -> int:
        """Rows of strips or tiles."""
        return -(-self.height // self.block_height)

    @property
    def bytes(self) -> int:
        """Of all pixels."""
        return self.height * self.row_bytes

    @property
    def row_bytes(self) -> int:
        return -(-self.width * self.bits * self.samples // 8)

    @property
    def block_row_bytes(self) -> int:
        """Of the pixels of a row of strips or tiles, with what the last tile has beyond the image."""
        return -(-self.across * self.block_width * self.bits * self.samples // 8) * self.block_height

    def split_rows(self) -> Iterator[tuple[int, int]]:
        """First row and the one after the last of pieces of the image that are decoded at once, from top to bottom."""
        blocks = max(_ROWS_BYTES // max(self.block_row_bytes, 1), 1)
        step = blocks * self.block_height
        return ((top, min(top + step, self.height)) for top in range(0, self.height, step))


def read_layout(read: Read) -> TiffLayout | None:
    """The layout of a TIFF's first image; None where its pixels are not stored in strips or tiles of a known kind.

    Raises:
        struct.error, IndexError, ValueError: the directory is broken.
    """
    opening = read(0, 16)
    order = {b"II": "<", b"MM": ">"}.get(opening[:2])
    if order is None:
        return None
    (version,) = struct.unpack_from(f"{order}H", opening, 2)
    if version not in (42, 43):
        return None
    is_big = version == 43
    (start,) = struct.unpack_from(f"{order}Q" if is_big else f"{order}I", opening, 8 if is_big else 4)
    layout = _make_layout(order, _read_directory(read, order, start, is_big=is_big))
    return layout and (_split_strip(layout, read) if layout.is_one_strip else layout)


def _read_directory(read: Read, order: str, start: int, *, is_big: bool) -> dict[int, _Field]:
    head, entry, inline = ("Q", "HHQ", 8) if is_big else ("H", "HHI", 4)
    head_size, entry_size = struct.calcsize(f"={head}"), struct.calcsize(f"={entry}") + inline
    (count,) = struct.unpack(f"{order}{head}", read(start, head_size))
    if count > _MOST_FIELDS:
        raise ValueError(f"a directory of {count} fields")
    table = read(start + head_size, count * entry_size)
    fields = {}
    for position in range(0, count * entry_size, entry_size):
        tag, kind, values = struct.unpack_from(f"{order}{entry}", table, position)
        size = _SIZES.get(kind, 0) * values
        if not size:
            continue
        if size > _MOST_BYTES:
            raise ValueError(f"field {tag} has {size} bytes")
        place = position + entry_size - inline
        data = table[place : place + size]
        if size > inline:
            (offset,) = struct.unpack_from(f"{order}{'Q' if is_big else 'I'}", table, place)
            data = read(offset, size)
        if len(data) != size:
            raise ValueError(f"field {tag} lies beyond the file's end")
        fields[tag] = _Field(kind, values, data)
    return fields


def _make_layout(order: str, fields: dict[int, _Field]) -> TiffLayout | None:
    def first(tag: int, default: int = 0) -> int:
        numbers = fields[tag].read_numbers(order) if tag in fields else []
        return numbers[0] if numbers else default

    is_tiled = _TILE_OFFSETS in fields
    offsets_tag, counts_tag = (_TILE_OFFSETS, _TILE_COUNTS) if is_tiled else (_STRIP_OFFSETS, _STRIP_COUNTS)
    width, height, samples = first(_WIDTH), first(_HEIGHT), first(_SAMPLES, 1)
    block_width = first(_TILE_WIDTH) if is_tiled else width
    block_height = first(_TILE_HEIGHT) if is_tiled else min(first(_STRIP_ROWS, height) or height, height)
    all_bits = fields[_BITS].read_numbers(order) if _BITS in fields else [1]
    if min(width, height, samples, block_width, block_height) < 1 or not {offsets_tag, counts_tag} <= fields.keys():
        return None
    if len(set(all_bits)) != 1 or first(_COMPRESSION, 1) not in _COMPRESSIONS:
        return None
    form, predictor = first(_SAMPLE_FORMAT, _UNSIGNED), first(_PREDICTOR, 1)
    is_colour = first(_PHOTOMETRIC) == _RGB and samples in (3, 4) and predictor in (1, 2)
    layout = TiffLayout(
        order,
        width,
        height,
        bits=all_bits[0],
        samples=samples,
        planes=samples if first(_PLANES, 1) == 2 else 1,
        compression=first(_COMPRESSION, 1),
        is_float=form == _FLOAT,
        is_deep_colour=is_colour and all_bits[0] == 16 and form == _UNSIGNED and first(_COMPRESSION, 1) in _OF_BYTES,
        has_alpha=first(_EXTRA_SAMPLES) in (1, 2),
        differences=predictor == 2,
        orientation=first(_ORIENTATION, 1),
        block_width=block_width,
        block_height=block_height,
        is_tiled=is_tiled,
        offsets=array("Q", fields[offsets_tag].read_numbers(order)),
        counts=array("Q", fields[counts_tag].read_numbers(order)),
        fields={tag: fields[tag] for tag in _COPIED if tag in fields},
    )
    if not len(layout.offsets) == len(layout.counts) == layout.across * layout.down * layout.planes:
        return None
    return layout


def _split_strip(layout: TiffLayout, read: Read) -> TiffLayout:
    """Rows that are not compressed lie one behind the other, so that one strip is as good as many."""
    rows = max(_ROWS_BYTES // layout.row_bytes, 1)
    tops = range(0, layout.height, rows)
    (start,) = layout.offsets
    if not read(start + layout.bytes - 1, 1):  # a size that the file cannot hold may be any
        return layout
    return replace(
        layout,
        block_height=min(rows, layout.height),
        offsets=array("Q", [start + top * layout.row_bytes for top in tops]),
        counts=array("Q", [(min(top + rows, layout.height) - top) * layout.row_bytes for top in tops]),
    )


def pack_rows(read: Read, layout: TiffLayout, top: int, bottom: int) -> tuple[bytes, int]:
    """A TIFF of the strips or tiles that hold the rows from `top` to `bottom`, and the image's row that is its first.

    Raises:
        ValueError: one of them lies beyond the file's end.
    """
    blocks, first_row, rows = _find_block_rows(layout, top, bottom)
    pieces = [piece for plane in range(layout.planes) for piece in _read_blocks(read, layout, plane, *blocks)]
    return _pack(layout, rows, pieces), first_row


def pack_planes_as_gray(read: Read, layout: TiffLayout, top: int, bottom: int) -> tuple[list[bytes], int]:
    """The same for colours of 16 bits: each plane as a gray TIFF in which the channels of a pixel are pixels.

    What is stored as differences stays so, and the last tile of a row is as wide as the others.
    """
    blocks, first_row, rows = _find_block_rows(layout, top, bottom)
    channels = layout.samples // layout.planes

    def shorts(number: int) -> _Field:
        return _Field(_SHORT, 1, struct.pack(f"{layout.order}H", number))

    kept = {tag: value for tag, value in layout.fields.items() if tag not in (_PREDICTOR, _EXTRA_SAMPLES)}
    gray = {_BITS: 16, _SAMPLES: 1, _PLANES: 1, _PHOTOMETRIC: _BLACK_IS_0, _SAMPLE_FORMAT: _UNSIGNED}
    as_gray = replace(
        layout,
        width=layout.across * layout.block_width * channels,
        block_width=layout.block_width * channels,
        fields={**kept, **{tag: shorts(number) for tag, number in gray.items()}},
    )
    planes = [_read_blocks(read, layout, plane, *blocks) for plane in range(layout.planes)]
    return [_pack(as_gray, rows, pieces) for pieces in planes], first_row


def _find_block_rows(layout: TiffLayout, top: int, bottom: int) -> tuple[tuple[int, int], int, int]:
    """The first and last row of strips or tiles that hold some rows, the first row of these, and their number."""
    first, last = top // layout.block_height, (bottom - 1) // layout.block_height
    first_row = first * layout.block_height
    return (first, last), first_row, min((last + 1) * layout.block_height, layout.height) - first_row


def _read_blocks(read: Read, layout: TiffLayout, plane: int, first: int, last: int) -> list[bytes]:
    start = plane * layout.across * layout.down
    blocks = range(start + first * layout.across, start + (last + 1) * layout.across)
    pieces = [read(layout.offsets[block], layout.counts[block]) for block in blocks]
    if any(len(piece) < layout.counts[block] for piece, block in zip(pieces, blocks, strict=True)):
        raise ValueError("image data lies beyond the file's end, which is truncated")
    return pieces


def _pack(layout: TiffLayout, rows: int, pieces: Sequence[bytes]) -> bytes:
    order = layout.order

    def longs(*numbers: int) -> _Field:
        return _Field(_LONG, len(numbers), struct.pack(f"{order}{len(numbers)}I", *numbers))

    fields = {**layout.fields, _WIDTH: longs(layout.width), _HEIGHT: longs(rows)}
    offsets_tag, counts_tag = _STRIP_OFFSETS, _STRIP_COUNTS
    if layout.is_tiled:
        offsets_tag, counts_tag = _TILE_OFFSETS, _TILE_COUNTS
        fields |= {_TILE_WIDTH: longs(layout.block_width), _TILE_HEIGHT: longs(layout.block_height)}
    else:
        fields[_STRIP_ROWS] = longs(min(layout.block_height, rows))
    fields[counts_tag] = longs(*map(len, pieces))
    fields[offsets_tag] = longs(*([0] * len(pieces)))
    # Directory, then the values that do not fit into it, then the pixels.
    place = 8 + 2 + 12 * len(fields) + 4
    places = {}
    for tag, value in fields.items():
        if len(value.data) > 4:
            places[tag] = place
            place += len(value.data) + len(value.data) % 2
    offsets = []
    for piece in pieces:
        offsets.append(place)
        place += len(piece)
    fields[offsets_tag] = longs(*offsets)
    head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8) + struct.pack(f"{order}H", len(fields))
    for tag, value in sorted(fields.items()):
        content = struct.pack(f"{order}I", places[tag]) if tag in places else value.data.ljust(4, b"\0")
        head += struct.pack(f"{order}HHI", tag, value.kind, value.count) + content
    bodies = [fields[tag].data + b"\0" * (len(fields[tag].data) % 2) for tag in places]
    return b"".join([head, b"\0" * 4, *bodies, *pieces])
