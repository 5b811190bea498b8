"""What the readers of formats side by side say that is not so, as each knows only its own files."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import faults
from odtool.dataset.readers.common.source_folders import Folder, walk
from odtool.dataset.readers.unread.accounting import FileAccount
from odtool.dataset.survey.backlog import Backlog, Waiting
from odtool.dataset.survey.merging.statements import hash_place
from odtool.dataset.types import Problem, Source

_OF_UNANNOTATED = ("file_skipped", "annotation_missing", "image_namesakes")
"""Kinds of problems of images that one format has no annotation of."""
_OF_UNLISTED = ("not_in_split", "images_unlisted")
"""Kinds of problems of folders whose images one format does not name."""


@dataclass(frozen=True)
class Settling:
    """What is known when all is read."""

    account: FileAccount
    sources: Sequence[Source | None]
    """The source of each reading that has others beside it; None for the others."""
    known: Sequence[int]
    """Places of the images of which any format has an annotation, sorted."""
    left_out: Collection[int]
    """Places of images that are left out, for problems that are told."""
    absent: Collection[int]
    """Readings of which not one image is there, while others' are."""
    _met: set[int] = field(default_factory=set)
    """Problems of images that are left out."""

    def is_settled(self, waiting: Waiting) -> bool:
        """Whether a problem is none, because of what other formats are read beside the one that met it."""
        source = self.sources[waiting.reading] if waiting.reading >= 0 else None
        if source is None:
            return False
        problem = waiting.problem
        if problem.kind == "image_missing" and waiting.reading in self.absent:
            return True
        if waiting.place:
            return self._is_known(waiting.place) or not self._is_first(problem)
        is_folder = problem.file.is_dir()
        if problem.kind in _OF_UNANNOTATED and (is_folder or problem.file.suffix.lower() in EXTENSIONS):
            return True
        if problem.kind in _OF_UNLISTED and is_folder:
            folders = [folder for folder in walk(source.images or source.root) if folder.path == problem.file]
            return not any(self._list_unknown(folder, source) for folder in folders)
        return self.account.was_read_elsewhere(problem, waiting.reading)

    def find_doubtful(self, backlog: Backlog, removed: Sequence[int]) -> dict[int, Problem]:
        """By position what there is to say of images that are background for one format, and of whose name another
        format has a broken file."""
        broken = {
            waiting.problem.file.stem: waiting.problem.file
            for waiting in backlog.read()
            if waiting.problem.kind == faults.FILE and self._is_beside_others(waiting) and not self.is_settled(waiting)
        }
        doubtful = (
            waiting
            for waiting in (backlog.read() if broken else ())
            if waiting.problem.kind == "image_without_objects" and waiting.problem.file.stem in broken
        )
        return {
            waiting.position: Problem(
                "annotation_missing", waiting.problem.file, f"{broken[waiting.problem.file.stem]} is broken"
            )
            for waiting in doubtful
            if waiting.position >= 0 and not waiting.is_of(removed) and self._is_beside_others(waiting)
        }

    def _is_beside_others(self, waiting: Waiting) -> bool:
        return waiting.reading >= 0 and self.sources[waiting.reading] is not None

    def report_unannotated(self) -> Iterator[Problem]:
        """A problem for each folder with images of which no format has an annotation."""
        for source in filter(None, dict.fromkeys(self.sources)):
            for folder in walk(source.images or source.root):
                if unknown := self._list_unknown(folder, source):
                    detail = f"{len(unknown)} images without an annotation, such as {unknown[0]}"
                    yield Problem("file_skipped", folder.path, detail)

    def _list_unknown(self, folder: Folder, source: Source) -> list[str]:
        """Names of the images in a folder of which no format has an annotation."""
        images = folder.find_files(*EXTENSIONS)
        places = [hash_place(str(image), source) for image in images]
        return [
            image.name
            for image, place in zip(images, places, strict=True)
            if place not in self.left_out and not self._is_known(place)
        ]

    def _is_first(self, problem: Problem) -> bool:
        """Whether no other format's reader has met this problem of this image."""
        number = hash((problem.kind, str(problem.file)))
        is_first = number not in self._met
        self._met.add(number)
        return is_first

    def _is_known(self, place: int) -> bool:
        position = bisect_left(self.known, place)
        return position < len(self.known) and self.known[position] == place


def find_absent(
    backlog: Backlog, sources: Sequence[Source | None], found: Collection[int], files: Mapping[int, str]
) -> dict[int, Problem]:
    """By reading, of those whose images are all missing while others' of the source are there, what there is to say.

    Args:
        found: the readings of which images were found.
        files: an annotation file of each reading of which images are missing.
    """
    present = {sources[reading] for reading in found}
    suspects = {
        reading for reading, source in enumerate(sources) if source and source in present and reading not in found
    }
    if not suspects:
        return {}
    missing = Counter(
        waiting.reading
        for waiting in backlog.read()
        if waiting.reading in suspects and waiting.problem.kind == "image_missing"
    )
    details = {reading: f"none of the {count} images that it names is here" for reading, count in missing.items()}
    return {
        reading: Problem("file_unread", Path(files[reading]), detail)
        for reading, detail in details.items()
        if reading in files
    }
