"""Records: an image and its objects as tf.train.Example bytes, in TFRecord shards, without TensorFlow."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path

from odtool.dataset import statistics
from odtool.dataset.images import image_file, masks, repair, shrinking, tiles
from odtool.dataset.images.image_error import ImageError
from odtool.dataset.images.image_file import ImageHeader
from odtool.dataset.records import spool
from odtool.dataset.records.checked_image import CheckedImage
from odtool.dataset.records.framing import frame_pieces
from odtool.dataset.records.record_drafts import RecordDraft, complete_record, draft_record
from odtool.dataset.statistics import ShardFigures
from odtool.dataset.types import AnnotatedImage, Extent
from odtool.errors import DataError

_BATCH = 1 << 20
"""Bytes written at once."""
_MOST_PIECES = 1000
"""Pieces written at once; Linux takes 1024 (IOV_MAX)."""


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
    repetitions: Sequence[int] = ()
    """For each image 0, or which repetition of it this is; empty where nothing is repeated."""


def keep_whole(checked: CheckedImage) -> CheckedImage:
    """All that was checked, for a spool that keeps it."""
    return checked


def keep_draft(checked: CheckedImage) -> RecordDraft | CheckedImage:
    """What is kept of an image until it is written: the draft of its record, where its own bytes go into it."""
    if checked.tiles or checked.shrunk or checked.fixed or not checked.header.written_as_is:
        return checked
    return draft_record(checked)


def read_image(stored: spool.SpoolReader, extent: tuple[int, int]) -> AnnotatedImage:
    """The image at this offset and length of a spool; of one that is kept as a draft only who it is."""
    content = stored.at(extent)
    if isinstance(content, RecordDraft):
        path = Path(content.path)
        return AnnotatedImage(path, path, source_id=content.source_id, extent=content.extent)
    return _require_checked(content).image


def read_checked_image(stored: spool.SpoolReader, extent: tuple[int, int]) -> CheckedImage:
    """The image at this offset and length of a spool that holds no drafts."""
    return _require_checked(stored.at(extent))


def _require_checked(content: object) -> CheckedImage:
    if not isinstance(content, CheckedImage):
        raise TypeError(f"the spool holds {type(content).__name__}")
    return content


def write_shard(plan: ShardPlan) -> ShardFigures:
    """Writes one shard and says what is in it: a pure function of the plan and the image files.

    Raises:
        DataError: an image changed since it was checked.
        OSError: the disk refuses.
    """
    figures = statistics.ShardCollector()
    with spool.open_spool(plan.spool) as stored, open(plan.path, "wb", buffering=0) as stream:
        output = _Output(stream.fileno())
        extents = zip(plan.offsets, plan.lengths, strict=True)
        for extent, repetition in zip(extents, plan.repetitions or repeat(0), strict=False):
            for draft, image_bytes in _draft_pictures(stored.at(extent), plan.masks):
                if repetition:
                    figures.add_repetition()
                else:
                    figures.add(*draft.size, draft.labels)
                output.add(frame_pieces(complete_record(draft, image_bytes, plan.classes, repetition=repetition)))
        output.flush()
    return figures.finish(output.size)


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
        size = os.writev(self._descriptor, self._pieces)
        if size < self._waiting:  # as before a disk is full, and beyond 2 GB
            remainder = memoryview(b"".join(self._pieces))[size:]
            while remainder:
                remainder = remainder[os.write(self._descriptor, remainder) :]
        self._pieces.clear()
        self._waiting = 0


def _draft_pictures(content: object, with_masks: bool) -> Iterator[tuple[RecordDraft, bytes]]:
    """What is written of an image, each with its encoded bytes: the whole, at its size or smaller, or its tiles."""
    if isinstance(content, RecordDraft):
        yield content, _read_own_bytes(content.path, content.extent, content.length)
        return
    checked = _require_checked(content)
    pictures = [_shrink(checked, checked.shrunk)] if checked.shrunk else _cut_windows(checked)
    for picture, image_bytes, window in pictures:
        if with_masks:
            whole = picture.header if checked.shrunk else checked.header
            with_areas, mask_pngs = _draw_masks(picture, whole, window)
            yield draft_record(with_areas, mask_pngs), image_bytes
        else:
            yield draft_record(picture), image_bytes


Window = tuple[int, int, int, int]
"""x, y, width and height in pixels."""


def _shrink(checked: CheckedImage, size: tuple[int, int]) -> tuple[CheckedImage, bytes, Window]:
    """The image at a smaller size with its objects, its encoded bytes, and its place: the whole."""
    image, header = checked.image, checked.header
    try:
        image_bytes = shrinking.encode_shrunk(image.path, image.extent, header, size, fixed=checked.fixed)
    except (OSError, ImageError) as error:
        raise _decoding_error(image, error) from None
    objects = shrinking.shrink_objects(image.objects, (header.width, header.height), size)
    picture = CheckedImage(
        replace(image, objects=objects), replace(header, width=size[0], height=size[1], orientation=1)
    )
    return picture, image_bytes, (0, 0, *size)


def _cut_windows(checked: CheckedImage) -> Iterator[tuple[CheckedImage, bytes, Window]]:
    """The whole image or its tiles, each with its encoded bytes and its place."""
    image, header = checked.image, checked.header
    if not checked.tiles:
        yield checked, _encode(checked), (0, 0, header.width, header.height)
        return
    try:
        crops = tiles.encode_tiles(image.path, image.extent, header, checked.tiles, fixed=checked.fixed)
        for tile, image_bytes in zip(checked.tiles, crops, strict=True):
            tile_image = replace(image, objects=tile.objects, source_id=f"{image.source_id}@{tile.x},{tile.y}")
            piece = replace(header, width=tile.width, height=tile.height, orientation=1)
            yield CheckedImage(tile_image, piece), image_bytes, (tile.x, tile.y, tile.width, tile.height)
    except (OSError, ImageError) as error:
        raise _decoding_error(image, error) from None


def _draw_masks(picture: CheckedImage, header: ImageHeader, window: Window) -> tuple[CheckedImage, list[bytes]]:
    """The picture with its objects' areas from their masks where they have no other, and the masks as PNGs.

    Args:
        header: of the whole image.
    """
    size = header.width, header.height
    is_tile = window != (0, 0, *size)
    objects, mask_pngs = [], []
    for item in picture.image.objects:
        mask = masks.draw(item.outline, item.box, size, window)
        mask_pngs.append(masks.encode_png(mask))
        area = item.area if item.area is not None and not is_tile else float(mask.sum())
        objects.append(replace(item, area=area))
    return replace(picture, image=replace(picture.image, objects=tuple(objects))), mask_pngs


def _change_error(path: Path | str, error: Exception | None = None) -> DataError:
    if isinstance(error, ImageError) and error.kind == "image_too_large":  # there was enough when it was checked
        return DataError(f"{path}: {error.detail}", "End what else uses memory and try again, or leave the image out.")
    what = f": {error}" if error else ""
    return DataError(f"{path}: changed while it was prepared{what}", "Run odtool prepare again.")


def _decoding_error(image: AnnotatedImage, error: OSError | ImageError) -> DataError:
    """For an image of which a look at its header said that it is whole."""
    if isinstance(error, OSError) or error.kind == "image_too_large":
        return _change_error(image.path, error)
    return DataError(
        f"{image.shown_path}: {image.name} cannot be decoded, or changed while it was prepared: {error.detail}",
        "--verify full finds all such images and leaves them out.",
    )


def _encode(checked: CheckedImage) -> bytes:
    path, extent = checked.image.path, checked.image.extent
    if not checked.fixed and checked.header.written_as_is:
        return _read_own_bytes(path, extent, checked.header.bytes)
    try:
        return repair.encode_image(image_file.read_bytes(path, extent), checked.header, fixed=checked.fixed)
    except (OSError, ImageError) as error:
        raise _decoding_error(checked.image, error) from None


def _read_own_bytes(path: Path | str, extent: Extent | None, size: int) -> bytes:
    try:
        data = image_file.read_bytes(path, extent)
    except OSError as error:
        raise _change_error(path, error) from None
    if len(data) != size:
        raise _change_error(path)
    return data
