"""What was read of many images, in memory while it is little and on disk when it is much."""

from __future__ import annotations

import heapq
import os
import pickle
import tempfile
from array import array
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

from odtool.dataset.types import ObjectAnnotation, Outline

T = TypeVar("T")
_MOST = 50_000
"""Objects in memory, about 20 MB of boxes; an outline counts by its points."""
_BLOCK = 500
"""Objects that are read back at once."""
_POINTS = 10
"""Numbers of an outline that take as much memory as an object."""


class Overflow:
    """A temporary file without a name, which is made when the first thing is written; it goes with its closing.

    Args:
        near: a folder on whose disk there is to be room, or None for the system's temporary one.
    """

    def __init__(self, near: Path | None = None) -> None:
        self._folder = near
        self._stream: BinaryIO | None = None
        self._end = 0

    def close(self) -> None:
        """Gives the disk back."""
        if self._stream is not None:
            self._stream.close()

    def write(self, values: list[Any]) -> tuple[int, int]:
        """Writes some values; returns the offset and length in bytes that give them back."""
        if self._stream is None:
            self._stream = tempfile.TemporaryFile(buffering=0, dir=self._folder)  # noqa: SIM115 - closed by close()
        data = pickle.dumps(values, pickle.HIGHEST_PROTOCOL)
        offset, self._end = self._end, self._end + len(data)
        rest = memoryview(data)
        while rest:
            rest = rest[os.pwrite(self._stream.fileno(), rest, self._end - len(rest)) :]
        return offset, len(data)

    def read(self, offset: int, length: int) -> list[Any]:
        """What was written at an offset."""
        assert self._stream is not None, "nothing was written"
        values: list[Any] = pickle.loads(os.pread(self._stream.fileno(), length, offset))
        return values


@contextmanager
def open_overflow(near: Path | None) -> Iterator[Overflow]:
    """An Overflow that is closed after the block. Where the folder `near` is yet to be made, it is near that above."""
    folder = near if near is None or near.is_dir() else near.parent
    with closing(Overflow(folder)) as overflow:
        yield overflow


class LongList(Generic[T]):
    """A list to which is added and which is read from its beginning, as often as it is asked for."""

    def __init__(self, overflow: Overflow) -> None:
        self._overflow = overflow
        self._blocks = array("Q")
        self._pending: list[T] = []
        self._weight = self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        for offset, length in zip(self._blocks[::2], self._blocks[1::2], strict=True):
            yield from self._overflow.read(offset, length)
        yield from self._pending

    def append(self, value: T, weight: int = 1) -> None:
        """Adds a value, which takes as much memory as so many objects."""
        self._pending.append(value)
        self._count += 1
        self._weight += weight
        if self._weight > _MOST:
            for start in range(0, len(self._pending), _BLOCK):
                self._blocks.extend(self._overflow.write(self._pending[start : start + _BLOCK]))
            self._pending, self._weight = [], 0


class ObjectGroups(Generic[T]):
    """The objects of images that stand in a file in any order, brought together by image.

    What is more than memory is to hold is sorted by image and written, and the sorted runs are read side by side: what
    is in memory does not grow with the number of objects, and the disk is read from beginning to end.

    Args:
        weigh_object: how many boxes take as much memory as one of the objects; `weigh` by default.
    """

    def __init__(self, overflow: Overflow, weigh_object: Callable[[T], int] | None = None) -> None:
        self._overflow = overflow
        self._weigh: Callable[[Any], int] = weigh_object or weigh
        self._runs: list[array[int]] = []
        self._pending: dict[int, list[T]] = {}
        self._weight = 0

    def add(self, image: int, item: T) -> None:
        """Adds an object to those of an image."""
        self._pending.setdefault(image, []).append(item)
        self._weight += self._weigh(item)
        if self._weight > _MOST:
            self._runs.append(self._write_run())
            self._pending, self._weight = {}, 0

    def __iter__(self) -> Iterator[tuple[int, list[T]]]:
        """Images that have objects in the order of their numbers, and of each its objects in the order of adding."""
        if not self._runs:
            yield from sorted(self._pending.items(), key=itemgetter(0))
            return
        # merge() takes of equal keys that of the first run first.
        runs = [*map(self._read_run, self._runs), iter(sorted(self._pending.items(), key=itemgetter(0)))]
        for image, parts in groupby(heapq.merge(*runs, key=itemgetter(0)), key=itemgetter(0)):
            yield image, [item for _, objects in parts for item in objects]

    def _write_run(self) -> array[int]:
        blocks, block, weight = array("Q"), list[tuple[int, list[T]]](), 0
        for image in sorted(self._pending):
            block.append((image, self._pending[image]))
            weight += sum(map(self._weigh, self._pending[image]))
            if weight >= _BLOCK:
                blocks.extend(self._overflow.write(block))
                block, weight = [], 0
        if block:
            blocks.extend(self._overflow.write(block))
        return blocks

    def _read_run(self, blocks: array[int]) -> Iterator[tuple[int, list[T]]]:
        for offset, length in zip(blocks[::2], blocks[1::2], strict=True):
            yield from self._overflow.read(offset, length)


def weigh(item: ObjectAnnotation) -> int:
    """How many objects without outline and keypoints take as much memory, about."""
    return weigh_outline(item.outline) + len(item.keypoints)


def weigh_outline(outline: Outline | None) -> int:
    """How many objects take as much memory as one with this outline, about."""
    return 1 + (sum(map(len, outline.polygons)) + len(outline.counts)) // _POINTS if outline else 1
