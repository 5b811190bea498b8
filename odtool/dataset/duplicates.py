"""Identical images: the same bytes under several names, found without reading all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from pathlib import Path

from odtool.dataset import image_file, spool
from odtool.dataset.records import checked_at
from odtool.dataset.types import Extent
from odtool.dataset.workers import Crew

_CHUNK = 64
"""Images a task, as in the survey."""
_ALONE = 8
"""Tasks done before workers are started, as in the survey."""

Place = tuple[Path, Extent | None]


def identical(
    fingerprints: Sequence[int], stored: Path, extents: Sequence[tuple[int, int]], crew: Crew
) -> list[list[int]]:
    """Positions of images with the same bytes, two or more in each list, in the order of the positions.

    Args:
        fingerprints: ImageHeader.fingerprint by position. It comes from what the check of headers has read anyway, so
            that only images whose fingerprints agree are read whole.
        stored: the spool, for their paths.
        extents: by position, offset and length in the spool.
    """
    counts = Counter(fingerprints)
    alike = [position for position, number in enumerate(fingerprints) if counts[number] > 1]
    if not alike:
        return []
    firsts: dict[tuple[int, ...], int] = {}
    """The first position of each inode and extent: a link to a file is the same file, and is read once."""
    first_of: dict[int, int] = {}
    with spool.opened(stored) as reader:
        for position in alike:
            path, extent = _place(reader, extents[position])
            first_of[position] = firsts.setdefault(_inode(path, extent, position), position)
    with spool.opened(stored) as reader:
        places = (_place(reader, extents[position]) for position in firsts.values())
        digests = dict(zip(firsts.values(), _digests(places, crew), strict=True))
    found: dict[tuple[int, bytes], list[int]] = {}
    for position in alike:
        if digest := digests[first_of[position]]:
            found.setdefault((fingerprints[position], digest), []).append(position)
    return [positions for positions in found.values() if len(positions) > 1]


def _place(reader: spool.Reader, extent: tuple[int, int]) -> Place:
    image = checked_at(reader, extent).image
    return image.path, image.extent


def _inode(path: Path, extent: Extent | None, position: int) -> tuple[int, ...]:
    try:
        known = path.stat()
    except OSError:
        return (position,)  # gone since it was checked, which whoever writes it will say
    return (known.st_dev, known.st_ino, *((extent.offset, extent.length) if extent else ()))


def _digests(places: Iterable[Place], crew: Crew) -> Iterator[bytes]:
    waiting = iter(places)
    tasks = iter(lambda: tuple(islice(waiting, _CHUNK)), ())
    for digests in crew.map(_hashed, tasks, alone=_ALONE):
        yield from digests


def _hashed(places: Sequence[Place]) -> list[bytes]:
    """Runs in a worker."""
    return [_digest(path, extent) for path, extent in places]


def _digest(path: Path, extent: Extent | None) -> bytes:
    """Nothing where the image is gone since it was checked."""
    try:
        return blake2b(image_file.read_bytes(path, extent), digest_size=16).digest()
    except OSError:
        return b""
