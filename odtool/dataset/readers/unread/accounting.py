"""Which files below a source gave something, so that the others can be looked at again."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common.source_folders import walk
from odtool.dataset.types import Problem, Source

_PASSED_OVER = ("file_skipped", "file_unread", "annotation_broken", "record_broken")
"""Kinds of problems by which a reader says that it takes nothing from a file: another format's may."""
_OF_FOLDERS = ("labels_unused",)
"""Kinds of problems by which a reader says so of all files in a folder."""


class FileAccount:
    """Files that gave an image or a problem, by reading: eight bytes of each. Nothing is added once it was asked."""

    def __init__(self) -> None:
        self._read: dict[int, array[int]] = {}
        self._sorted: dict[int, array[int]] = {}
        self._passed_over: set[int] = set()

    def add_source(self, file: str, reading: int) -> None:
        """An annotation file that speaks of an image."""
        read, place = self._read.setdefault(reading, array("q")), hash(file)
        if not read or read[-1] != place:  # a file for all images speaks of one after the other
            read.append(place)

    def add_problem(self, problem: Problem, reading: int) -> None:
        """The file of a problem, which was looked into, if only to be passed over."""
        if problem.kind in _OF_FOLDERS:
            self._passed_over.add(hash((str(problem.file), "")))
        elif problem.kind in _PASSED_OVER:
            self._passed_over.add(hash(str(problem.file)))
        else:
            self.add_source(str(problem.file), reading)

    def list_unread(self, source: Source) -> Iterator[Path]:
        """Files below a folder, but for images, that no reader took anything from; none of a source that is a file."""
        for folder in walk(source.root) if source.path.is_dir() else ():
            names = [name for name in folder.files if not name.lower().endswith(EXTENSIONS)]
            paths = (f"{folder.path}/{name}" for name in names)
            yield from (
                Path(path) for path in paths if not any(self._has_read(path, reading) for reading in self._read)
            )

    def is_passed_over(self, file: Path) -> bool:
        """Whether a reader has said that it takes nothing from this file, or from those in its folder."""
        return hash(str(file)) in self._passed_over or hash((str(file.parent), "")) in self._passed_over

    def was_read_elsewhere(self, problem: Problem, reading: int) -> bool:
        """Whether a reading took nothing from a file that another one took something from."""
        file = str(problem.file)
        if problem.kind not in _PASSED_OVER or self._has_read(file, reading):
            return False
        return any(self._has_read(file, other) for other in self._read)

    def _has_read(self, path: str, reading: int) -> bool:
        if reading not in self._sorted:
            self._sorted[reading] = array("q", sorted(self._read.get(reading, ())))
        read, place = self._sorted[reading], hash(path)
        position = bisect_left(read, place)
        return position < len(read) and read[position] == place
