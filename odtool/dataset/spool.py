"""The spool: checked images on disk between reading and writing, so that memory does not grow with the data set."""

from __future__ import annotations

import pickle
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from odtool.dataset.pickling import by_position
from odtool.dataset.splits import SPLITS


@by_position
@dataclass(frozen=True, slots=True)
class Stored:
    """One checked image on its way into the spool."""

    blob: bytes
    """The pickled image."""
    key: int
    """64 bits that say who the image is: the hash of its source id."""
    split: str | None
    bytes: int
    """Size of the image file."""
    group: int | None = None
    """64 bits, the same for images that --group-by keeps together; None where it is not asked for."""
    fingerprint: int = 0
    """ImageHeader.fingerprint."""
    labels: tuple[str, ...] = ()
    """Names of the image's classes, each once."""


@dataclass(frozen=True)
class Index:
    """What is kept in memory of each image: some seventy bytes."""

    offsets: array[int] = field(default_factory=lambda: array("Q"))
    lengths: array[int] = field(default_factory=lambda: array("L"))
    keys: array[int] = field(default_factory=lambda: array("Q"))
    splits: array[int] = field(default_factory=lambda: array("b"))
    """Position in SPLITS, or -1 where the data set does not say."""
    bytes: array[int] = field(default_factory=lambda: array("Q"))
    groups: array[int] = field(default_factory=lambda: array("Q"))
    fingerprints: array[int] = field(default_factory=lambda: array("Q"))
    names: dict[str, int] = field(default_factory=dict)
    """Numbers of the class names, in the order of reading."""
    _labels: array[int] = field(default_factory=lambda: array("I"))
    """The numbers of each image's classes, one image after the other."""
    _ends: array[int] = field(default_factory=lambda: array("Q", [0]))
    """Where in `_labels` each image ends."""

    def __len__(self) -> int:
        return len(self.offsets)

    def extent(self, position: int) -> tuple[int, int]:
        return self.offsets[position], self.lengths[position]

    def offsets_of(self, positions: Iterable[int]) -> array[int]:
        return array("Q", map(self.offsets.__getitem__, positions))

    def lengths_of(self, positions: Iterable[int]) -> array[int]:
        return array("L", map(self.lengths.__getitem__, positions))

    def declared(self) -> list[str | None]:
        """The data set's own split of each image."""
        return [SPLITS[number] if number >= 0 else None for number in self.splits]

    def class_numbers(self) -> Callable[[int], list[int]]:
        """A function from an image to the numbers of its classes, numbered by name and not by the order of reading."""
        order = sorted(self.names)
        by_name = {self.names[name]: number for number, name in enumerate(order)}
        labels, ends = self._labels, self._ends
        return lambda position: [by_name[number] for number in labels[ends[position] : ends[position + 1]]]

    def add_labels(self, names: Iterable[str]) -> None:
        self._labels.extend([self.names.setdefault(name, len(self.names)) for name in names])
        self._ends.append(len(self._labels))


class Writer:
    """Appends to a spool file."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._position = 0
        self.index = Index()

    def add(self, stored: Stored) -> None:
        self._stream.write(stored.blob)
        index = self.index
        index.offsets.append(self._position)
        index.lengths.append(len(stored.blob))
        index.keys.append(stored.key)
        index.splits.append(SPLITS.index(stored.split) if stored.split else -1)
        index.bytes.append(stored.bytes)
        index.groups.append(stored.key if stored.group is None else stored.group)
        index.fingerprints.append(stored.fingerprint)
        index.add_labels(stored.labels)
        self._position += len(stored.blob)


class Reader:
    """Reads what a Writer stored. The file is our own, written a moment ago, so that unpickling it is safe."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def at(self, extent: tuple[int, int]) -> object:
        self._stream.seek(extent[0])
        return pickle.loads(self._stream.read(extent[1]))


@contextmanager
def created(path: Path) -> Iterator[Writer]:
    with open(path, "wb") as stream:
        yield Writer(stream)


@contextmanager
def opened(path: Path) -> Iterator[Reader]:
    # Records are shuffled, so each read is a jump: a large buffer would be read in vain.
    with open(path, "rb", buffering=4096) as stream:
        yield Reader(stream)
