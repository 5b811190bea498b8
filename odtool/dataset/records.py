"""Records: an image and its objects as tf.train.Example bytes, in TFRecord shards, without TensorFlow."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

from odtool.dataset import image_file, masks, repair, spool, statistics, tiles
from odtool.dataset.image_file import ImageHeader
from odtool.dataset.pickling import by_position
from odtool.dataset.statistics import ShardFigures
from odtool.dataset.tiles import Tile
from odtool.dataset.types import AnnotatedImage
from odtool.errors import DataError


@by_position
@dataclass(frozen=True, slots=True)
class CheckedImage:
    """An image ready to be written: boxes in pixels within its true size, `source_id` unique in the set."""

    image: AnnotatedImage
    header: ImageHeader
    fixed: bool = False
    """The image is turned upright and flattened when it is written; boxes and size are already those of then."""
    tiles: tuple[Tile, ...] = ()
    """The pieces that are written in place of the whole, where it is to be cut."""


@dataclass(frozen=True)
class ShardPlan:
    """All that is needed to write one shard, in any process that sees the same disk."""

    path: Path
    spool: Path
    """Where the checked images lie, pickled."""
    extents: tuple[tuple[int, int], ...]
    """Offset and length in the spool, in the order of the records."""
    classes: Mapping[str, int]
    masks: bool = False
    """Whether the objects' masks are written."""


def checked_at(stored: spool.Reader, extent: tuple[int, int]) -> CheckedImage:
    """The image at this offset and length of a spool."""
    checked = stored.at(extent)
    if not isinstance(checked, CheckedImage):
        raise TypeError(f"the spool holds {type(checked).__name__}")
    return checked


def write_shard(plan: ShardPlan) -> ShardFigures:
    """Writes one shard and says what is in it: a pure function of the plan and the image files.

    Raises:
        DataError: an image changed since it was checked.
        OSError: the disk refuses.
    """
    figures = statistics.Collector()
    size = 0
    with spool.opened(plan.spool) as stored, open(plan.path, "wb", buffering=0) as stream:
        for extent in plan.extents:
            checked = checked_at(stored, extent)
            for picture, encoded, window in _pictures(checked):
                drawn: list[bytes] | None = None
                if plan.masks:
                    picture, drawn = _with_masks(picture, checked.header, window)  # noqa: PLW2901 - the same picture
                objects = picture.image.objects
                figures.add(picture.header.width, picture.header.height, [item.label for item in objects])
                size += _write(stream.fileno(), framing(example(picture, encoded, plan.classes, drawn)))
    return figures.done(size)


def _write(descriptor: int, pieces: Sequence[bytes]) -> int:
    """Writes the pieces in one call, so that no image is copied to stand between others; the bytes written."""
    size = sum(map(len, pieces))
    written = os.writev(descriptor, pieces)
    if written < size:  # as before a disk is full, and beyond 2 GB
        rest = memoryview(b"".join(pieces))[written:]
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    return size


Window = tuple[int, int, int, int]
"""x, y, width and height in pixels."""


def _pictures(checked: CheckedImage) -> Iterator[tuple[CheckedImage, bytes, Window]]:
    """What is written of an image, each with its encoded bytes and its place: the whole, or its tiles."""
    image, header = checked.image, checked.header
    if not checked.tiles:
        yield checked, _encoded(checked), (0, 0, header.width, header.height)
        return
    try:
        data = image_file.read_bytes(image.path, image.extent)
        if len(data) != header.bytes:
            raise _changed(image.path)
        crops = tiles.crops(data, header, checked.tiles, fixed=checked.fixed)
        for tile, encoded in zip(checked.tiles, crops, strict=True):
            whole = replace(image, objects=tile.objects, source_id=f"{image.source_id}@{tile.x},{tile.y}")
            piece = replace(header, width=tile.width, height=tile.height, orientation=1)
            yield CheckedImage(whole, piece), encoded, (tile.x, tile.y, tile.width, tile.height)
    except (OSError, image_file.ImageError) as error:
        raise _changed(image.path, error) from None


def _with_masks(picture: CheckedImage, header: ImageHeader, window: Window) -> tuple[CheckedImage, list[bytes]]:
    """The picture with its objects' areas from their masks where they have no other, and the masks as PNGs.

    Args:
        header: of the whole image.
    """
    size = header.width, header.height
    cut = window != (0, 0, *size)
    objects, drawn = [], []
    for item in picture.image.objects:
        mask = masks.drawn(item.outline, item.box, size, window)
        drawn.append(masks.as_png(mask))
        area = item.area if item.area is not None and not cut else float(mask.sum())
        objects.append(replace(item, area=area))
    return replace(picture, image=replace(picture.image, objects=tuple(objects))), drawn


def _changed(path: Path, error: Exception | None = None) -> DataError:
    what = f": {error}" if error else ""
    return DataError(f"{path}: changed while it was prepared{what}", "Run odtool prepare again.")


def _encoded(checked: CheckedImage) -> bytes:
    path, extent = checked.image.path, checked.image.extent
    try:
        data = image_file.read_bytes(path, extent)
        if checked.fixed or not checked.header.written_as_is:
            return repair.encoded(data, checked.header, fixed=checked.fixed)
    except (OSError, image_file.ImageError) as error:
        raise _changed(path, error) from None
    if len(data) != checked.header.bytes:
        raise _changed(path)
    return data


def example(
    checked: CheckedImage, encoded: bytes, classes: Mapping[str, int], drawn: Sequence[bytes] | None = None
) -> tuple[bytes, bytes, bytes]:
    """A serialized tf.train.Example with the keys that the API's decoder and converters know.

    In three pieces, so that the image is not copied: what comes before its bytes, these, and what comes after.
    `drawn` are the objects' masks as PNGs, where masks are written.

    The keys are those of object_detection/data_decoders/tf_example_decoder.py and
    dataset_tools/create_pascal_tf_record.py; `area` is in square pixels, as COCO's evaluation has it.
    """
    image, header = checked.image, checked.header
    width, height = float(header.width), float(header.height)
    objects = image.objects
    boxes = [item.box for item in objects]
    areas = [item.box.area if item.area is None else item.area for item in objects]
    format_name = header.format if header.written_as_is else "png"
    opening = _opening(b"image/encoded", len(encoded))
    pieces = [
        _bytes(b"image/filename", (_utf8(image.name),)),
        _bytes(b"image/format", (format_name.encode(),)),
        _ints(b"image/height", (header.height,)),
        _bytes(b"image/key/sha256", (hashlib.sha256(encoded).hexdigest().encode(),)),
        _floats(b"image/object/area", areas),
        _floats(b"image/object/bbox/xmax", [box.xmax / width for box in boxes]),
        _floats(b"image/object/bbox/xmin", [box.xmin / width for box in boxes]),
        _floats(b"image/object/bbox/ymax", [box.ymax / height for box in boxes]),
        _floats(b"image/object/bbox/ymin", [box.ymin / height for box in boxes]),
        _ints(b"image/object/class/label", tuple([classes[item.label] for item in objects])),
        _texts(b"image/object/class/text", tuple([item.label for item in objects])),
        _ints(b"image/object/difficult", tuple([item.difficult for item in objects])),
        _ints(b"image/object/group_of", tuple([item.group_of for item in objects])),
        _ints(b"image/object/is_crowd", tuple([item.is_crowd for item in objects])),
        _ints(b"image/object/occluded", tuple([item.occluded for item in objects])),
        _ints(b"image/object/truncated", tuple([item.truncated for item in objects])),
        _texts(b"image/object/view", tuple([item.view for item in objects])),
        _bytes(b"image/source_id", (_utf8(image.source_id or image.name),)),
        _ints(b"image/width", (header.width,)),
    ]
    if any(item.weight is not None for item in objects):
        weights = [1.0 if item.weight is None else item.weight for item in objects]
        pieces.append(_floats(b"image/object/weight", weights))
    if drawn is not None:
        pieces.append(_bytes(b"image/object/mask", drawn))
    after = b"".join(pieces)
    # Example.features is field 1.
    return b"\x0a" + _varint(len(opening) + len(encoded) + len(after)) + opening, encoded, after


def framing(pieces: Sequence[bytes]) -> tuple[bytes, ...]:
    """A record as it stands in a TFRecord file: length, masked CRC of it, data, masked CRC of that."""
    length = struct.pack("<Q", sum(map(len, pieces)))
    return (length, masked_crc(length), *pieces, masked_crc(*pieces))


def framed(record: bytes) -> bytes:
    """A whole record as it stands in a TFRecord file."""
    return b"".join(framing((record,)))


def masked_crc(*pieces: bytes) -> bytes:
    """CRC32C of all the pieces, rotated and shifted as tensorflow/core/lib/hash/crc32c.h masks it."""
    import google_crc32c

    crc = 0
    for piece in pieces:
        crc = google_crc32c.extend(crc, piece)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _utf8(text: str) -> bytes:
    """File names that are not UTF-8 on disk come as lone surrogates; the decoder wants valid text."""
    return text.encode("utf-8", "backslashreplace")


# Wire format: tags are (field number << 3 | 2) for everything length-delimited, which all of an Example is
# but the values of an Int64List, and those are packed varints.


def _varint(value: int) -> bytes:
    if value < 0x80:
        return _SMALL[value]
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


_SMALL = [bytes((value,)) for value in range(0x80)]


@cache
def _key(key: bytes) -> bytes:
    """The key of a map entry: its field 1."""
    return b"\x0a" + _varint(len(key)) + key


def _entry(key: bytes, feature: bytes) -> bytes:
    """One entry of the map Features.feature (field 1): the key, and the Feature as field 2."""
    entry = _key(key) + b"\x12" + _varint(len(feature)) + feature
    return b"\x0a" + _varint(len(entry)) + entry


def _opening(key: bytes, length: int) -> bytes:
    """All that stands before the one value, `length` bytes long, of a BytesList in a Feature in an entry."""
    opening = b""
    for tag in (b"\x0a", b"\x0a", b"\x12"):
        opening = tag + _varint(len(opening) + length) + opening
    opening = _key(key) + opening
    return b"\x0a" + _varint(len(opening) + length) + opening


def _bytes(key: bytes, values: Iterable[bytes]) -> bytes:
    data = b"".join([b"\x0a" + _varint(len(value)) + value for value in values])
    return _entry(key, b"\x0a" + _varint(len(data)) + data)


# Classes, flags and sizes are the same for many images, and making them anew took a tenth of all the time.


@lru_cache(maxsize=1024)
def _texts(key: bytes, values: tuple[str, ...]) -> bytes:
    return _bytes(key, [_utf8(value) for value in values])


@lru_cache(maxsize=1024)
def _ints(key: bytes, values: tuple[int, ...]) -> bytes:
    """Values are never negative here: sizes, ids and flags."""
    return _entry(key, _packed(b"\x1a", b"".join([_varint(value) for value in values])))


def _floats(key: bytes, values: Sequence[float]) -> bytes:
    return _entry(key, _packed(b"\x12", struct.pack(f"<{len(values)}f", *values)))


def _packed(tag: bytes, data: bytes) -> bytes:
    """A FloatList or Int64List with its values packed, as the Feature's field of that tag."""
    values = b"\x0a" + _varint(len(data)) + data if data else b""
    return tag + _varint(len(values)) + values
