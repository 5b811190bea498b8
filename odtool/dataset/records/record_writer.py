"""Records: an image and its objects as tf.train.Example bytes, in TFRecord shards, without TensorFlow."""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from odtool.dataset import statistics
from odtool.dataset.images import image_file, masks, repair, tiles
from odtool.dataset.images.image_file import ImageHeader
from odtool.dataset.images.tiles import Tile
from odtool.dataset.pickling import by_position
from odtool.dataset.records import spool
from odtool.dataset.records.record_drafts import Draft, draft, example
from odtool.dataset.statistics import ShardFigures
from odtool.dataset.types import AnnotatedImage, Extent
from odtool.errors import DataError

_BATCH = 1 << 20
"""Bytes written at once."""
_MOST_PIECES = 1000
"""Pieces written at once; Linux takes 1024 (IOV_MAX)."""


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
    offsets: array[int]
    """Where each image lies in the spool, in the order of the records: a few bytes each, as there may be millions."""
    lengths: array[int]
    classes: Mapping[str, int]
    masks: bool = False
    """Whether the objects' masks are written."""


def whole(checked: CheckedImage) -> CheckedImage:
    """All that was checked, for a spool that keeps it."""
    return checked


def drafted(checked: CheckedImage) -> Draft | CheckedImage:
    """What is kept of an image until it is written: the draft of its record, where its own bytes go into it."""
    if checked.tiles or checked.fixed or not checked.header.written_as_is:
        return checked
    return draft(checked)


def image_at(stored: spool.Reader, extent: tuple[int, int]) -> AnnotatedImage:
    """The image at this offset and length of a spool; of one that is kept as a draft only who it is."""
    kept = stored.at(extent)
    if isinstance(kept, Draft):
        path = Path(kept.path)
        return AnnotatedImage(path, path, source_id=kept.source_id, extent=kept.extent)
    return _checked(kept).image


def checked_at(stored: spool.Reader, extent: tuple[int, int]) -> CheckedImage:
    """The image at this offset and length of a spool that holds no drafts."""
    return _checked(stored.at(extent))


def _checked(kept: object) -> CheckedImage:
    if not isinstance(kept, CheckedImage):
        raise TypeError(f"the spool holds {type(kept).__name__}")
    return kept


def write_shard(plan: ShardPlan) -> ShardFigures:
    """Writes one shard and says what is in it: a pure function of the plan and the image files.

    Raises:
        DataError: an image changed since it was checked.
        OSError: the disk refuses.
    """
    figures = statistics.Collector()
    with spool.opened(plan.spool) as stored, open(plan.path, "wb", buffering=0) as stream:
        output = _Output(stream.fileno())
        for extent in zip(plan.offsets, plan.lengths, strict=True):
            for made, encoded in _pictures(stored.at(extent), plan.masks):
                figures.add(*made.size, made.labels)
                output.add(framing(example(made, encoded, plan.classes)))
        output.flush()
    return figures.done(output.size)


class _Output:
    """Writes in large batches, which the kernel takes in half the time; no image is copied to stand between others."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pieces: list[bytes] = []
        self._waiting = 0
        self.size = 0
        """Bytes added."""

    def add(self, pieces: Sequence[bytes]) -> None:
        self._pieces.extend(pieces)
        added = sum(map(len, pieces))
        self.size += added
        self._waiting += added
        if self._waiting >= _BATCH or len(self._pieces) > _MOST_PIECES:
            self.flush()

    def flush(self) -> None:
        if not self._pieces:
            return
        written = os.writev(self._descriptor, self._pieces)
        if written < self._waiting:  # as before a disk is full, and beyond 2 GB
            rest = memoryview(b"".join(self._pieces))[written:]
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        self._pieces.clear()
        self._waiting = 0


def _pictures(kept: object, with_masks: bool) -> Iterator[tuple[Draft, bytes]]:
    """What is written of an image, each with its encoded bytes: the whole, or its tiles."""
    if isinstance(kept, Draft):
        yield kept, _own_bytes(kept.path, kept.extent, kept.length)
        return
    checked = _checked(kept)
    for picture, encoded, window in _windows(checked):
        if with_masks:
            with_areas, drawn = _with_masks(picture, checked.header, window)
            yield draft(with_areas, drawn), encoded
        else:
            yield draft(picture), encoded


Window = tuple[int, int, int, int]
"""x, y, width and height in pixels."""


def _windows(checked: CheckedImage) -> Iterator[tuple[CheckedImage, bytes, Window]]:
    """The whole image or its tiles, each with its encoded bytes and its place."""
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


def _changed(path: Path | str, error: Exception | None = None) -> DataError:
    what = f": {error}" if error else ""
    return DataError(f"{path}: changed while it was prepared{what}", "Run odtool prepare again.")


def _encoded(checked: CheckedImage) -> bytes:
    path, extent = checked.image.path, checked.image.extent
    if not checked.fixed and checked.header.written_as_is:
        return _own_bytes(path, extent, checked.header.bytes)
    try:
        return repair.encoded(image_file.read_bytes(path, extent), checked.header, fixed=checked.fixed)
    except (OSError, image_file.ImageError) as error:
        raise _changed(path, error) from None


def _own_bytes(path: Path | str, extent: Extent | None, size: int) -> bytes:
    try:
        data = image_file.read_bytes(path, extent)
    except OSError as error:
        raise _changed(path, error) from None
    if len(data) != size:
        raise _changed(path)
    return data


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
