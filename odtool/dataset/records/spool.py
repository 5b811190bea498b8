"""The spool: checked images on disk between reading and writing, so that memory does not grow with the data set."""

from __future__ import annotations

import os
import pickle
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from odtool.dataset.splits import SPLITS


@dataclass(frozen=True)
class Index:
    """What is kept in memory of each image: some seventy bytes, column by column."""

    offsets: array[int] = field(default_factory=lambda: array("Q"))
    lengths: array[int] = field(default_factory=lambda: array("L"))
    keys: array[int] = field(default_factory=lambda: array("Q"))
    """64 bits that say who the image is: the hash of its source id."""
    splits: array[int] = field(default_factory=lambda: array("b"))
    """Position in SPLITS, or -1 where the data set does not say."""
    bytes: array[int] = field(default_factory=lambda: array("Q"))
    """Size of the image file."""
    groups: array[int] = field(default_factory=lambda: array("Q"))
    """64 bits, the same for images that --group-by keeps together; the key where it is not asked for."""
    fingerprints: array[int] = field(default_factory=lambda: array("Q"))
    """ImageHeader.fingerprint."""
    names: dict[str, int] = field(default_factory=dict)
    """Numbers of the class names, in the order of reading."""
    labels: array[int] = field(default_factory=lambda: array("I"))
    """The numbers of each image's classes, one image after the other."""
    ends: array[int] = field(default_factory=lambda: array("Q", [0]))
    """Where in `labels` each image ends."""

    def __len__(self) -> int:
        return len(self.offsets)

    def extent(self, position: int) -> tuple[int, int]:
        return self.offsets[position], self.lengths[position]

    def select_offsets(self, positions: Iterable[int]) -> array[int]:
        return array("Q", map(self.offsets.__getitem__, positions))

    def select_lengths(self, positions: Iterable[int]) -> array[int]:
        return array("L", map(self.lengths.__getitem__, positions))

    def list_declared_splits(self) -> list[str | None]:
        """The data set's own split of each image."""
        return [SPLITS[number] if number >= 0 else None for number in self.splits]

    def make_class_lookup(self) -> Callable[[int], list[int]]:
        """A function from an image to the numbers of its classes, numbered by name and not by the order of reading."""
        order = sorted(self.names)
        by_name = {self.names[name]: number for number, name in enumerate(order)}
        labels, ends = self.labels, self.ends
        return lambda position: [by_name[number] for number in labels[ends[position] : ends[position + 1]]]

    def extend(self, piece: Index, start: int, positions: Sequence[int]) -> None:
        """The images at these positions of another index, of a piece that begins at `start`."""
        self.offsets.extend([start + piece.offsets[position] for position in positions])
        for column, values in zip(self._list_columns(), piece._list_columns(), strict=True):
            column.extend(map(values.__getitem__, positions))
        numbers = [self.names.setdefault(name, len(self.names)) for name in piece.names]
        labels, ends = piece.labels, piece.ends
        for position in positions:
            self.labels.extend([numbers[number] for number in labels[ends[position] : ends[position + 1]]])
            self.ends.append(len(self.labels))

    def without(self, removed: Sequence[int]) -> Index:
        """The images but for those whose number in `removed` is not 0, and the names of the classes that these have."""
        index = Index()
        index.extend(self, 0, [position for position in range(len(self)) if not removed[position]])
        used = set(index.labels)
        names = [name for name in self.names if index.names[name] in used]
        numbers = {index.names[name]: number for number, name in enumerate(names)}
        return replace(
            index,
            names={name: number for number, name in enumerate(names)},
            labels=array("I", map(numbers.__getitem__, index.labels)),
        )

    def _list_columns(self) -> tuple[array[int], ...]:
        return self.lengths, self.keys, self.splits, self.bytes, self.groups, self.fingerprints


@dataclass(frozen=True)
class Piece:
    """Some checked images on their way into the spool."""

    pickles: bytearray = field(default_factory=bytearray)
    """One after the other."""
    index: Index = field(default_factory=Index)

    def add(
        self,
        content: object,
        *,
        key: int,
        split: str | None,
        size: int,
        group: int | None = None,
        fingerprint: int = 0,
        labels: Iterable[str] = (),
    ) -> None:
        """One more image, described as in the index; `labels` are the names of its classes, each once."""
        pickled = pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
        index, names = self.index, self.index.names
        index.offsets.append(len(self.pickles))
        index.lengths.append(len(pickled))
        index.keys.append(key)
        index.splits.append(SPLITS.index(split) if split else -1)
        index.bytes.append(size)
        index.groups.append(key if group is None else group)
        index.fingerprints.append(fingerprint)
        index.labels.extend([names.setdefault(name, len(names)) for name in labels])
        index.ends.append(len(index.labels))
        self.pickles.extend(pickled)


class SpoolWriter:
    """Appends to a spool file."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._position = 0
        self.index = Index()
        self.path = Path(stream.name)

    def flush(self) -> None:
        """What was added can be read from now on."""
        self._stream.flush()

    def add(self, piece: Piece, positions: Sequence[int]) -> None:
        """The images at these positions of a piece."""
        self._stream.write(piece.pickles)
        self.index.extend(piece.index, self._position, positions)
        self._position += len(piece.pickles)


class SpoolReader:
    """Reads what a Writer stored. The file is our own, written a moment ago, so that unpickling it is safe."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def at(self, extent: tuple[int, int]) -> object:
        offset, length = extent
        return pickle.loads(os.pread(self._descriptor, length, offset))


def hash_id(text: str) -> int:
    """64 bits that stand for a source id or another name."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


@contextmanager
def create_spool(path: Path) -> Iterator[SpoolWriter]:
    with open(path, "wb") as stream:
        yield SpoolWriter(stream)


@contextmanager
def open_spool(path: Path) -> Iterator[SpoolReader]:
    with open(path, "rb", buffering=0) as stream:
        yield SpoolReader(stream.fileno())
