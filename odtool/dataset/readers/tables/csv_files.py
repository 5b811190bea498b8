"""CSV files with the name of an image in each row: what one says, and how several share images and splits."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from odtool.dataset.readers.common import faults
from odtool.dataset.readers.common.faults import CollectedProblems
from odtool.dataset.readers.common.image_lists import Documents
from odtool.dataset.readers.common.lookup import find_image, sample_names
from odtool.dataset.readers.common.shapes import UnitGuess
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.common.streams.overflow import LongList, ObjectGroups, Overflow, open_overflow
from odtool.dataset.readers.namesakes.contender import Stated
from odtool.dataset.splits import parse_split
from odtool.dataset.types import AnnotatedImage, Finding, ObjectAnnotation, Problem, Unit


class CsvFile:
    """What one CSV file says, of which the objects are not all in memory."""

    def __init__(self, overflow: Overflow, unit: Unit | None = None) -> None:
        self.problems: CollectedProblems = LongList[tuple[str, str]](overflow)
        self.sizes: dict[str, tuple[int, int]] = {}
        self.splits: dict[str, str] = {}
        """Splits by file name, where rows have them."""
        self._names: dict[str, int] = {}
        self._counts = array("L")
        self._objects = ObjectGroups[ObjectAnnotation](overflow)
        self._unit, self._guess = unit, UnitGuess()
        self._sizes: dict[tuple[int, int], tuple[int, int]] = {}

    @property
    def unit(self) -> Unit:
        """That of all boxes: as it was given, or as the range of the numbers shows."""
        return self._unit or self._guess.unit

    @property
    def names(self) -> list[str]:
        """File names in the order of first mention."""
        return list(self._names)

    def __iter__(self) -> Iterator[tuple[str, tuple[ObjectAnnotation, ...]]]:
        """File names and their objects in that order."""
        groups = chain(self._objects, [(-1, list[ObjectAnnotation]())])
        number, objects = next(groups)
        for name, place in self._names.items():
            while 0 <= number < place:  # of an image that was left out
                number, objects = next(groups)
            yield name, tuple(objects) if number == place else ()

    def add_image(self, name: str) -> None:
        """An image that is mentioned."""
        if name not in self._names:
            self._names[name] = len(self._counts)
            self._counts.append(0)

    def add_object(self, name: str, item: ObjectAnnotation) -> None:
        """An object of an image that was added."""
        place = self._names[name]
        self._counts[place] += 1
        self._objects.add(place, item)
        self._guess.add(max(item.box.xmin, item.box.ymin, item.box.xmax, item.box.ymax))

    def add_size(self, name: str, size: tuple[int, int]) -> None:
        """The size of an image as a row has it, of which the first counts."""
        self.sizes.setdefault(name, self._sizes.setdefault(size, size))

    def leave_out_empty(self, names: Iterable[str]) -> None:
        """Leaves out those of the images that have no objects."""
        for name in names:
            if not self._counts[self._names[name]]:
                del self._names[name]

    def state(self, name: str) -> Stated:
        """What it says of an image's file."""
        return Stated(self.sizes.get(name))


def read_csv_files(
    documents: Documents, parse: Callable[[BinaryIO, Path, Overflow], CsvFile], dialect: str = ""
) -> Iterator[Finding]:
    """Every image of the files. A file for all beside files for splits is left out where it says the same again.

    Args:
        dialect: which of dialects.DIALECTS the boxes are of; '' where they can mean one thing only.
    """
    splits = {file: parse_split(file.stem) or parse_split(file.parent.name) for file in documents.files}
    if len(splits) == 1:
        splits = dict.fromkeys(splits)
    of_splits = "train" in splits.values()
    image_paths: set[str] = set()
    for file, split in sorted(splits.items(), key=lambda item: of_splits and item[1] is None):
        yield from faults.report_broken(
            _read_file, file, documents, parse, split, dialect, image_paths if of_splits else None
        )


def _read_file(
    file: Path,
    documents: Documents,
    parse: Callable[[BinaryIO, Path, Overflow], CsvFile],
    split: str | None,
    dialect: str,
    image_paths: set[str] | None,
) -> Iterator[AnnotatedImage | Problem]:
    """The problems and images of one file.

    Args:
        image_paths: where the images of the files for splits lie, if there are such files; those of this one are added.
    """
    source = documents.source
    with input_files.open_binary(file) as stream, open_overflow(source.scratch) as overflow:
        table = parse(stream, file, overflow)
        places = documents.find_places(file, sample_names(table.names), table.state)
        yield from places.report_rivals()
        if image_paths is not None:
            paths = {str(find_image(name, places, within=source.root).path) for name in table.names}
            if split is None and paths <= image_paths:
                yield Problem("file_skipped", file, "its images are in the files for the splits beside it")
                return
            image_paths |= paths
        for kind, detail in table.problems:
            yield Problem(kind, file, detail)
        for name, objects in table:
            image = find_image(name, places, within=source.root)
            if image.outside:
                yield Problem("path_outside", file, f"'{name}' leads outside {source.root}")
            yield AnnotatedImage(
                image.path,
                file,
                objects,
                table.unit,
                table.splits.get(name, split),
                declared_size=table.sizes.get(name),
                match=image.match,
                dialect=dialect,
            )
