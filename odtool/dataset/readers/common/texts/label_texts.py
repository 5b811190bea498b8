"""Formats with one text file an image, an object per line: which files these are, and each as an image with objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from odtool.dataset.readers.common import faults, parsing
from odtool.dataset.readers.common.annotation_files import LooksLike
from odtool.dataset.readers.common.faults import Skipping
from odtool.dataset.readers.common.lookup import Places, find_file_image
from odtool.dataset.readers.common.pairs import defer_pairs
from odtool.dataset.readers.common.source_folders import walk
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.types import AnnotatedImage, Finding, ObjectAnnotation, Problem, Source

SAMPLES = 5
"""Text files a folder that are looked into."""


@dataclass(frozen=True)
class TextLine:
    """One line of a file, for parsers and their messages."""

    path: Path
    number: int
    text: str
    problems: list[tuple[str, str]]
    """Kind and detail of each."""

    def report(self, kind: str, detail: str) -> None:
        self.problems.append((kind, f"line {self.number}: {detail}"))

    def error(self, what: str) -> faults.AnnotationError:
        return parsing.line_error(self.path, self.number, f"{what}: '{self.text[:60]}'")


ParseLine = Callable[[TextLine], ObjectAnnotation | None]
"""Makes an object of a line, or None where it is told what the line is; raises its error for any other line."""


def find_label_files(source: Source, looks_like: LooksLike) -> list[Path]:
    """The file that the source is; else all text files of folders of which one looks right: empty ones are images."""
    if source.path.is_file():
        return [source.path]
    folders = [folder.find_files(".txt") for folder in walk(source.root)]
    return [file for files in folders if any(map(looks_like, files[: 4 * SAMPLES])) for file in files]


def defer_label_files(
    files: Sequence[Path], source: Source, names: Sequence[str], parse_line: ParseLine, dialect: str = ""
) -> Iterator[Finding]:
    """Each file with its image, to be parsed in a worker; images without one are counted.

    Args:
        names: what folders of images are called, as seen from the folders above those of the files.
        parse_line: a module's own function, which can be pickled.
        dialect: AnnotatedImage.dialect.
    """
    return defer_pairs(files, source, names, partial(_read_file, parse_line, dialect))


def _read_file(
    parse_line: ParseLine, dialect: str, path: Path, split: str | None, places: Places, _root: Path, _masks: bool
) -> Iterator[AnnotatedImage | Problem]:
    objects, problems = parse_lines(input_files.read_bytes(path), path, parse_line)
    image = find_file_image(path, places)
    is_lost = faults.is_nothing_left(objects, problems)
    if is_lost and not image.exists:
        yield Problem("file_skipped", path, "no line of it has an object, and no image has its name")
        return
    faults.refuse_all_broken(objects, problems, path)
    for kind, detail in problems:
        yield Problem(kind, path, detail)
    if is_lost:
        return
    yield AnnotatedImage(image.path, path, objects, split=split, match=image.match, dialect=dialect)


def parse_lines(
    data: bytes, path: Path, parse_line: ParseLine
) -> tuple[tuple[ObjectAnnotation, ...], list[tuple[str, str]]]:
    """The objects of a file's lines, and the problems (kind and detail); a broken line is one of them."""
    objects = []
    problems: list[tuple[str, str]] = []
    for number, line in enumerate(parsing.decode_text(data, path).splitlines(), start=1):
        if not line.strip():
            continue
        with Skipping(problems):
            item = parse_line(TextLine(path, number, line.strip(), problems))
            if item is not None:
                objects.append(item)
    return tuple(objects), problems
