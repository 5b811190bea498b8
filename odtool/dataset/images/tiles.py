"""Tiles: large images cut into pieces that a detector can take in, with the boxes that are visible enough in each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import groupby
from pathlib import Path

from odtool.dataset.images import image_file, keypoints, repair
from odtool.dataset.images.image_error import ImageError
from odtool.dataset.images.image_file import ImageHeader
from odtool.dataset.images.memory_estimate import reserve_memory
from odtool.dataset.types import AnnotatedImage, Box, Extent, ObjectAnnotation, Problem
from odtool.errors import DataError


@dataclass(frozen=True)
class Tiling:
    """How images are cut."""

    size: int
    """Width and height of a tile, in pixels."""
    overlap: int
    """Pixels that neighbours share, so that an object on an edge is whole in one of them."""
    min_visible: float
    """Share of a box's area that must lie in a tile for the box to be in it."""
    empty: float
    """Share of the tiles without objects that are kept."""
    seed: int
    """Decides which of those."""

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 <= self.overlap < self.size:
            raise DataError(
                f"--overlap {self.overlap} does not fit --tile {self.size}", "Let the overlap be smaller than the tile."
            )
        if not 0 < self.min_visible <= 1:
            raise DataError(
                f"--min-visible {self.min_visible:g} is not a share of a box", "It must be above 0 and at most 1."
            )
        if not 0 <= self.empty <= 1:
            raise DataError(f"--empty-tiles {self.empty:g} is not a share of the tiles", "It must be from 0 to 1.")


@dataclass(frozen=True, slots=True)
class Tile:
    """A piece of an image."""

    x: int
    y: int
    """The upper left corner, in pixels of the image."""
    width: int
    height: int
    objects: tuple[ObjectAnnotation, ...]
    """With boxes in pixels of the tile; outlines stay those of the whole image."""


def cut_tiles(image: AnnotatedImage, header: ImageHeader, tiling: Tiling) -> tuple[tuple[Tile, ...], list[Problem]]:
    """The tiles of an image whose boxes lie within it, and what is lost by cutting. Knows numbers only, no pixels.

    A tile without objects counts as background and is kept at a rate; one that shows a part of an object, but not
    enough for its box, is neither and is left out.
    """
    tiles: list[Tile] = []
    placed_numbers: set[int] = set()
    pieces = empty = dropped_tiles = points = 0
    for y in find_starts(header.height, tiling.size, tiling.overlap):
        for x in find_starts(header.width, tiling.size, tiling.overlap):
            area = Box(x, y, min(x + tiling.size, header.width), min(y + tiling.size, header.height))
            inside, cut_away, points_away = _select_objects(image.objects, area, tiling.min_visible)
            pieces += cut_away
            points += points_away
            placed_numbers.update(number for number, _ in inside)
            if not inside:
                empty += 1
                if cut_away or not _is_chosen(str(image.source_id), x, y, tiling):
                    dropped_tiles += 1
                    continue
            tiles.append(Tile(x, y, int(area.xmax) - x, int(area.ymax) - y, tuple(item for _, item in inside)))
    problems = [
        Problem("tile_object_lost", image.source, f"object {number + 1} ({item.label}) of {image.name}")
        for number, item in enumerate(image.objects)
        if number not in placed_numbers
    ]
    if pieces:
        detail = f"{pieces} boxes in tiles of {image.name} with less than {tiling.min_visible:g} of their area"
        problems.append(Problem("tile_box_cut", image.source, detail))
    if points:
        detail = f"{points} keypoints of objects in tiles of {image.name}"
        problems.append(Problem("tile_keypoints_cut", image.source, detail))
    if dropped_tiles:
        detail = f"{dropped_tiles} of {empty} without objects, {len(tiles)} tiles kept"
        problems.append(Problem("tile_empty", image.shown_path, detail))
    return tuple(tiles), problems


def needs_tiling(header: ImageHeader, tiling: Tiling | None) -> bool:
    """Whether an image is larger than a tile; what is not is written as it is."""
    return tiling is not None and max(header.width, header.height) > tiling.size


def find_starts(length: int, size: int, overlap: int) -> list[int]:
    """Where tiles begin along one side; the last one ends with the image, so that all are of full size."""
    last = max(length - size, 0)
    return [*range(0, last, size - overlap), last]


def _select_objects(
    objects: Sequence[ObjectAnnotation], area: Box, min_visible: float
) -> tuple[list[tuple[int, ObjectAnnotation]], int, int]:
    """The objects of a tile with their numbers, how many others only stick into it, and keypoints outside of it."""
    selection, cut_away, points_away = [], 0, 0
    for number, item in enumerate(objects):
        box = item.box
        xmin, ymin = max(box.xmin, area.xmin), max(box.ymin, area.ymin)
        xmax, ymax = min(box.xmax, area.xmax), min(box.ymax, area.ymax)
        if xmin >= xmax or ymin >= ymax:
            continue
        visible = (xmax - xmin) * (ymax - ymin) / box.area
        if visible < min_visible:
            cut_away += 1
            continue
        tile_box = Box(xmin - area.xmin, ymin - area.ymin, xmax - area.xmin, ymax - area.ymin)
        is_whole = (xmin, ymin, xmax, ymax) == (box.xmin, box.ymin, box.xmax, box.ymax)
        size = item.area if is_whole or item.area is None else item.area * visible
        tile_object = replace(item, box=tile_box, truncated=item.truncated or not is_whole, area=size)
        if item.keypoints:
            points, lost_count = keypoints.clip_to_area(item.keypoints, area)
            tile_object, points_away = replace(tile_object, keypoints=points), points_away + lost_count
        selection.append((number, tile_object))
    return selection, cut_away, points_away


def _is_chosen(source_id: str, x: int, y: int, tiling: Tiling) -> bool:
    """By the tile's name and the seed, so that neither order nor workers matter."""
    name = f"{tiling.seed} {x} {y} {source_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(name, digest_size=7).digest(), "big") < tiling.empty * (1 << 56)


def encode_tiles(
    path: Path, extent: Extent | None, header: ImageHeader, tiles: Sequence[Tile], *, fixed: bool
) -> Iterator[bytes]:
    """The encoded tiles, as JPEGs where the image is one, else as PNGs.

    The image is decoded once; of a large TIFF, as many rows at a time as a tile is high.

    Raises:
        ImageError: it cannot be decoded, or has another length than its header says.
        OSError: it cannot be read.
    """
    if is_cut_by_rows(extent, header, fixed=fixed):
        yield from _encode_by_rows(path, extent, header, tiles, fixed=fixed)
        return
    data = image_file.read_bytes(path, extent)
    if len(data) != header.bytes:
        raise ImageError("image_truncated", f"it has {len(data)} bytes, and had {header.bytes}")
    with reserve_memory(header, fixed=fixed):
        image = repair.decode_pixels(data, header, fixed=fixed)
        image.info.clear()  # EXIF and colour profile, which a crop would carry on
        for tile in tiles:
            box = (tile.x, tile.y, tile.x + tile.width, tile.y + tile.height)
            yield repair.compress(image.crop(box), header.format)


def is_cut_by_rows(extent: Extent | None, header: ImageHeader, *, fixed: bool) -> bool:
    """Whether no more rows of an image are decoded at once than a tile has."""
    return header.in_rows and not (fixed and header.orientation != 1) and not (extent and extent.encoded)


def _encode_by_rows(
    path: Path, extent: Extent | None, header: ImageHeader, tiles: Sequence[Tile], *, fixed: bool
) -> Iterator[bytes]:
    """The tiles of one row of tiles after the other, as `cut_tiles` gives them."""
    with image_file.open_reader(path, extent) as read:
        for (y, height), row in groupby(tiles, key=lambda tile: (tile.y, tile.height)):
            with reserve_memory(header, fixed=fixed, rows=height):
                image = repair.decode_rows(read, header, y, y + height, fixed=fixed)
                for tile in row:
                    yield repair.compress(image.crop((tile.x, 0, tile.x + tile.width, tile.height)), header.format)
