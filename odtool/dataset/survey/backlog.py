"""Problems that wait on disk until all is read, as only then it is known which annotation of an image stays."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from odtool.dataset.types import Problem


class Waiting(NamedTuple):
    """A problem, and what it is of."""

    problem: Problem
    reading: int = -1
    """The number of the reading that met it; -1 where it is of several."""
    position: int = -1
    """The position in the set of the image that it is of; -1 where it is of none that is in the set."""
    place: int = 0
    """64 bits that say where the image lies that it is of, where that is left out; 0 where it is of none."""

    def is_of(self, removed: Sequence[int]) -> bool:
        """Whether it is of one of the images whose number in `removed` is not 0."""
        return self.position >= 0 and bool(removed[self.position])


class Backlog:
    """Problems in the order of reading."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def add(self, items: Sequence[Waiting]) -> None:
        if items:
            pickle.dump([tuple(item) for item in items], self._stream, pickle.HIGHEST_PROTOCOL)

    def read(self) -> Iterator[Waiting]:
        """All of them. The file is our own and nobody else can open it, so that unpickling it is safe."""
        self._stream.seek(0)
        while True:
            try:
                items = pickle.load(self._stream)
            except EOFError:
                return
            yield from (Waiting(*item) for item in items)


@contextmanager
def open_backlog(folder: Path) -> Iterator[Backlog]:
    """An empty one, in a file without a name in this folder."""
    with tempfile.TemporaryFile(dir=folder) as stream:
        yield Backlog(stream)
