"""What each annotation says of its image, kept on disk where several formats are read, to be compared."""

from __future__ import annotations

import pickle
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeAlias

from odtool.dataset.classes import Changes
from odtool.dataset.pickling import by_position
from odtool.dataset.records.checked_image import CheckedImage
from odtool.dataset.records.spool import SpoolReader, hash_id
from odtool.dataset.types import Source

_PIXELS = 1.5
"""What two formats' boxes of one object may differ by: whole pixels, counted from 0 or from 1, and rounded."""
_SHARE = 0.001
"""The same as a share of the image's side: fractions with three decimals."""


StatedObject: TypeAlias = tuple[str, float, float, float, float]
"""Class and box in pixels."""


@by_position
@dataclass(frozen=True, slots=True)
class Statement:
    """What one annotation says of one image."""

    source: str
    """The annotation file; the image itself where there is none, as of YOLO's images without a text."""
    name: str
    """The image's name."""
    size: tuple[int, int]
    """Of the image, in pixels."""
    objects: tuple[StatedObject, ...]
    changes: Changes
    """Objects whose class was renamed or dropped as asked."""
    is_filed: bool
    """Whether an annotation file says it."""


def make_statement(checked: CheckedImage, changes: Changes) -> Statement:
    """What the annotation of a checked image says."""
    image, header = checked.image, checked.header
    objects = tuple((item.label, item.box.xmin, item.box.ymin, item.box.xmax, item.box.ymax) for item in image.objects)
    is_filed = image.extent is not None or image.source != image.path
    return Statement(str(image.source), image.name, (header.width, header.height), objects, changes, is_filed)


def hash_place(path: str, source: Source) -> int:
    """64 bits that say where in its source an image file lies."""
    return hash_id(f"{source.prefix}{find_relative_path(path, source) or path.rpartition('/')[2]}\0")


def sort_places(places: array[int]) -> array[int]:
    """Without a Python object for each, as there may be millions."""
    import numpy as np

    return array("Q", np.sort(np.asarray(places, np.uint64)).tobytes())


def find_relative_path(path: str, source: Source) -> str | None:
    """A file's path within its source, or within the folder of the source's images; None where it is in neither."""
    for root in (source.root, source.images):
        # As text: pathlib's own way took longer than the reading of an image's header.
        if root is not None and path.startswith(inside := f"{root}/"):
            return path[len(inside) :]
    return None


def find_difference(first: Statement, second: Statement) -> str | None:
    """What two annotations of one image disagree about; None where they say the same."""
    across, down = (max(_PIXELS, _SHARE * side) for side in first.size)
    slack = (across, down, across, down)
    candidates = list(second.objects)
    unmatched = []
    for item in first.objects:
        matches = [other for other in candidates if other[0] == item[0] and _is_near(item, other, slack)]
        if matches:
            candidates.remove(matches[0])
        else:
            unmatched.append(item)
    if not unmatched:
        return f"{_describe(candidates[0])} is not in {first.source}" if candidates else None
    item = unmatched[0]
    if same_box := next((other for other in candidates if _is_near(item, other, slack)), None):
        return f"{_describe(item)} in {first.source} is {same_box[0]} here"
    return f"{_describe(item)} is in {first.source} alone"


def _is_near(item: StatedObject, other: StatedObject, slack: Sequence[float]) -> bool:
    """Whether two objects have the same box."""
    return all(abs(one - another) <= most for one, another, most in zip(item[1:], other[1:], slack, strict=True))


def _describe(item: StatedObject) -> str:
    label, *box = item
    return f"{label} at [{', '.join(f'{round(value, 1):g}' for value in box)}]"


@dataclass
class Statements:
    """The statements of a set: on disk, and in memory 36 bytes of each to find and to sort them by."""

    path: Path
    stream: BinaryIO
    positions: array[int] = field(default_factory=lambda: array("Q"))
    """Of the images in the set."""
    places: array[int] = field(default_factory=lambda: array("Q"))
    """64 bits that say where the image lies."""
    readings: array[int] = field(default_factory=lambda: array("H"))
    """The number of the reading, which is one format of one source."""
    is_filed: bytearray = field(default_factory=bytearray)
    is_annotated: bytearray = field(default_factory=bytearray)
    """Whether there are objects."""
    _offsets: array[int] = field(default_factory=lambda: array("Q"))
    _lengths: array[int] = field(default_factory=lambda: array("L"))
    _size: int = 0

    def __len__(self) -> int:
        return len(self.positions)

    def add(self, statement: Statement, *, position: int, place: int, reading: int) -> None:
        """One more, of the image at a position in the set."""
        pickled = pickle.dumps(statement, pickle.HIGHEST_PROTOCOL)
        self.stream.write(pickled)
        self.positions.append(position)
        self.places.append(place)
        self.readings.append(reading)
        self.is_filed.append(statement.is_filed)
        self.is_annotated.append(bool(statement.objects))
        self._offsets.append(self._size)
        self._lengths.append(len(pickled))
        self._size += len(pickled)

    def extent(self, number: int) -> tuple[int, int]:
        """Where the statement with this number lies in the file."""
        return self._offsets[number], self._lengths[number]


@contextmanager
def open_statements(path: Path) -> Iterator[Statements]:
    """None yet, in a file that is gone in the end."""
    try:
        with open(path, "wb") as stream:
            yield Statements(path, stream)
    finally:
        path.unlink(missing_ok=True)


def read_statement(reader: SpoolReader, extent: tuple[int, int]) -> Statement:
    """The statement at this place of a file of them."""
    content = reader.at(extent)
    if not isinstance(content, Statement):
        raise TypeError(f"the file of statements holds {type(content).__name__}")
    return content
