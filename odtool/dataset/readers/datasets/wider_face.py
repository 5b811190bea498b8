"""WIDER FACE: a text file a split, with an image's path, the number of its faces, and a row a face."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import faults, parsing, rows
from odtool.dataset.readers.common.faults import Skipping
from odtool.dataset.readers.common.lookup import Places, find_image, find_places
from odtool.dataset.readers.common.source_folders import find_image_folders, walk
from odtool.dataset.splits import parse_split
from odtool.dataset.types import AnnotatedImage, Box, Finding, ObjectAnnotation, Problem, Source

LABEL = "face"
_SAMPLES = 10
"""Text files a folder that are looked into."""
_INVALID, _OCCLUSION = 7, 8
"""Positions in a row: x, y, width, height, blur, expression, illumination, invalid, occlusion, pose (readme.txt)."""
_FILE_LIST = "_filelist.txt"
"""The test split's, which has no boxes."""


@dataclass(frozen=True)
class WiderImage:
    """What a file says of one image."""

    name: str
    objects: tuple[ObjectAnnotation, ...]
    problems: tuple[tuple[str, str], ...] = ()
    """Kind and detail of each."""


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as WIDER FACE, or None."""
    if path.is_file():
        return f"{path.name} has an image, a count and rows of faces" if _looks_like(path) else None
    for folder in walk(path):
        if files := _select_files(folder.find_files(".txt")):
            return f"{files[0]} has an image, a count and rows of faces"
    return None


def _select_files(texts: list[Path]) -> list[Path]:
    usual_names = [path for path in texts if path.name.endswith("_gt.txt")]
    return [path for path in dict.fromkeys([*usual_names, *texts[:_SAMPLES]]) if _looks_like(path)]


def _looks_like(path: Path) -> bool:
    if path.suffix.lower() != ".txt":
        return False
    lines = [line.strip() for line in rows.read_opening(path) if line.strip()][:3]
    if len(lines) < 2 or not _is_name(lines[0]) or not lines[1].isdecimal():
        return False
    return len(lines) < 3 or _is_row(lines[2]) or (lines[1] == "0" and _is_name(lines[2]))


def _is_name(line: str) -> bool:
    return line.lower().endswith(EXTENSIONS)


def _is_row(line: str) -> bool:
    words = line.split()
    return len(words) >= 4 and all(map(rows.is_number, words))


def read(source: Source) -> Iterator[Finding]:
    """Every image of the text files."""
    folders = list(walk(source.root))
    if source.path.is_file():
        files = [source.path]
    else:
        files = [file for folder in folders for file in _select_files(folder.find_files(".txt"))]
        for folder in folders:
            for file in folder.find_files(_FILE_LIST):
                yield Problem("file_skipped", file, "a list of images without boxes")
    with_images = find_image_folders(source)
    for file in files:
        split = parse_split(file.stem) or parse_split(file.parent.name)
        places = _find_places(file, split, source, with_images)
        problems: list[tuple[str, str]] = []
        with open(file, "rb") as stream:
            for image in parse(rows.number_lines(stream, file, problems), file, problems):
                yield from faults.take(problems, file)
                match = find_image(image.name, places, within=source.root)
                if match.outside:
                    yield Problem("path_outside", file, f"'{image.name}' leads outside {source.root}")
                for kind, detail in image.problems:
                    yield Problem(kind, file, detail)
                yield AnnotatedImage(
                    match.path, file, image.objects, split=split, match=match.match, dialect="wider_face"
                )
        yield from faults.take(problems, file)


def _find_places(file: Path, split: str | None, source: Source, with_images: list[Path]) -> Places:
    """Names begin with an event's folder (0--Parade/), so the folders above those with images come first."""
    above = list(dict.fromkeys(folder.parent for folder in with_images))
    root = source.images or source.root
    inside = [place for place in above if place.is_relative_to(root)]
    beside = [] if source.images else sorted(source.root.parent.glob("WIDER_*/images"))
    places = dict.fromkeys([*([source.images] if source.images else []), *inside, *beside, *with_images, file.parent])
    split_folders = [place for place in places if split and split == _find_split(place)]
    return find_places(split_folders, list(places), file.parent, source, split=split)


def _find_split(place: Path) -> str | None:
    """The split of WIDER_train/images/0--Parade, by the innermost of these that speaks of one."""
    return next(filter(None, map(parse_split, reversed(place.parts[-3:]))), None)


def parse(lines: Iterable[tuple[int, str]], path: Path, problems: rows.Problems) -> Iterator[WiderImage]:
    """The images of a file's numbered lines, one after the other; `path` is only named in problems.

    Where a line is not what should stand there, its image is left out up to the next name.
    """
    skipping = Skipping(problems)
    for (number, name), below in _group_by_image(lines):
        with skipping:
            if not _is_name(name):
                raise parsing.line_error(path, number, f"not an image name: '{name[:60]}'")
            yield _parse_image(name, _check_faces(name, number, below, path))


def _group_by_image(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[tuple[int, str], list[tuple[int, str]]]]:
    """Each line with an image's name, and the lines up to the next; what stands before the first has no name."""
    head: tuple[int, str] | None = None
    below = list[tuple[int, str]]()
    for line in lines:
        if head is not None and _is_name(line[1]):
            yield head, below
            head, below = None, []
        if head is None:
            head = line
        else:
            below.append(line)
    if head is not None:
        yield head, below


def _check_faces(name: str, number: int, lines: list[tuple[int, str]], path: Path) -> list[tuple[int, str]]:
    """The rows of an image's faces, from what follows its name in line `number`: their count, and they themselves."""
    number, count = lines[0] if lines else (number, "")
    if not (count.isascii() and count.isdecimal() and len(count) < 10):
        raise parsing.line_error(path, number, f"not the number of faces in {name}: '{count[:60]}'")
    faces = lines[1:]
    for line, row in faces:
        if not _is_row(row):
            raise parsing.line_error(path, line, f"not a face in {name}: '{row[:60]}'")
    # No faces are one row of zeros; some who write this format leave it out.
    if len(faces) != int(count) and not (int(count) == 0 and len(faces) == 1):
        raise parsing.line_error(path, number, f"{count} faces in {name}, but {len(faces)} rows follow")
    return faces if int(count) else []


def _parse_image(name: str, faces: list[tuple[int, str]]) -> WiderImage:
    objects = []
    problems = []
    for number, line in faces:
        values = [float(word) for word in line.split()]
        x, y, width, height = values[:4]
        if len(values) > _INVALID and values[_INVALID] == 1:
            problems.append(("object_ignored", f"line {number}: a face marked as invalid in {name}"))
            continue
        occluded = len(values) > _OCCLUSION and values[_OCCLUSION] > 0
        objects.append(ObjectAnnotation(LABEL, Box(x, y, x + width, y + height), occluded=occluded))
    return WiderImage(name, tuple(objects), tuple(problems))
