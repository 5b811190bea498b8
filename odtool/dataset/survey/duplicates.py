"""Identical images: the same bytes under several names, found without reading all of them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from pathlib import Path

from odtool.dataset.images import image_file
from odtool.dataset.ordering import list_runs, order_by
from odtool.dataset.records import spool
from odtool.dataset.records.record_writer import read_image
from odtool.dataset.types import Extent
from odtool.dataset.workers import Crew

_CHUNK = 64
"""Images a task, as in the survey."""
_ALONE = 8
"""Tasks done before workers are started, as in the survey."""


def find_identical(
    fingerprints: Sequence[int], stored: Path, extent: Callable[[int], tuple[int, int]], crew: Crew
) -> list[list[int]]:
    """Positions of images with the same bytes, two or more in each list, in the order of the positions.

    Args:
        fingerprints: ImageHeader.fingerprint by position. It comes from what the check of headers has read anyway, so
            that only images whose fingerprints agree are read whole.
        stored: the spool, for their paths.
        extent: offset and length in the spool of the image at a position.
    """
    candidates = _find_repeated(fingerprints)
    if not candidates:
        return []
    chunks = (candidates[start : start + _CHUNK] for start in range(0, len(candidates), _CHUNK))
    tasks = ((stored, [extent(position) for position in chunk]) for chunk in chunks)
    positions_by_digest: dict[tuple[int, bytes], list[int]] = {}
    digests = chain.from_iterable(crew.map(_hash_images, tasks, tasks_here=_ALONE))
    for position, digest in zip(candidates, digests, strict=True):
        if digest:
            positions_by_digest.setdefault((fingerprints[position], digest), []).append(position)
    return [positions for positions in positions_by_digest.values() if len(positions) > 1]


def _find_repeated(values: Sequence[int]) -> Sequence[int]:
    """Positions of the values that are there more than once."""
    order = order_by(values)
    is_repeated = bytearray(len(values))
    for start, end in list_runs(values, order):
        if end - start > 1:
            for position in order[start:end]:
                is_repeated[position] = 1
    return array("I", (position for position, repeated in enumerate(is_repeated) if repeated))


def _hash_images(task: tuple[Path, list[tuple[int, int]]]) -> list[bytes]:
    """Runs in a worker. Nothing in place of a digest where an image is gone since it was checked."""
    stored, extents = task
    digests = []
    with spool.open_spool(stored) as reader:
        for where in extents:
            image = read_image(reader, where)
            try:
                status = image.path.stat()
                digests.append(
                    _hash_file(_File(status.st_dev, status.st_ino, status.st_mtime_ns, image.extent, image.path))
                )
            except OSError:
                digests.append(b"")  # whoever writes it will say so
    return digests


@dataclass(frozen=True)
class _File:
    """A file that is the same whatever it is called: a link to it need not be read again."""

    device: int
    inode: int
    modified: int
    """In nanoseconds."""
    extent: Extent | None
    path: Path = field(compare=False)


@lru_cache(maxsize=1 << 14)
def _hash_file(file: _File) -> bytes:
    return blake2b(image_file.read_bytes(file.path, file.extent), digest_size=16).digest()
