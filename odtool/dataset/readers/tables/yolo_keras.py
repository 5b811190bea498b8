"""YOLO-Keras and YOLOv4 text: a line an image, its path and then x1,y1,x2,y2,class for each box."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import faults, parsing, rows
from odtool.dataset.readers.common.annotation_files import find_annotation_files, find_evidence
from odtool.dataset.readers.common.faults import Skipping
from odtool.dataset.readers.common.lookup import find_image, find_places, sample_names
from odtool.dataset.readers.common.source_folders import (
    Folder,
    count_steps,
    find_image_folders,
    sort_nearest_first,
    walk,
)
from odtool.dataset.splits import parse_split
from odtool.dataset.types import AnnotatedImage, Box, Finding, ObjectAnnotation, Problem, Source
from odtool.errors import DataError

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_BOX = re.compile(rf"(?:{_NUMBER},){{4}}\d+(?:\.0*)?")
_SAMPLES = 10
"""Text files a folder that are looked into."""
_LIST = re.compile(r"(?:^|_)(?:classes|class_names|names|labels)\.txt$|\.names$", re.IGNORECASE)
"""What lists of classes are called."""


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as YOLO-Keras text, or None."""
    return find_evidence(path, ".txt", looks_like, "has a path and x1,y1,x2,y2,class per line", samples=_SAMPLES)


def looks_like(path: Path) -> bool:
    """Some of the first lines have boxes; images without any are a path alone."""
    if path.suffix.lower() != ".txt" or _LIST.search(path.name):
        return False
    return any(map(has_boxes, rows.read_opening(path)))


def has_boxes(line: str) -> bool:
    """Whether a line is an image's path and boxes behind it."""
    name, boxes = _split_line(line)
    return bool(boxes) and name.lower().endswith(EXTENSIONS)


def _split_line(line: str) -> tuple[str, list[str]]:
    """Path, which may have blanks in it, and boxes."""
    name, boxes = line.strip(), list[str]()
    while True:
        head, _, last = name.replace("\t", " ").rpartition(" ")
        if not head or not _BOX.fullmatch(last):
            return name, boxes[::-1]
        name = head.rstrip()
        boxes.append(last)


def read(source: Source) -> Iterator[Finding]:
    """Every line of the text files.

    Raises:
        DataError: no list of classes lies beside a file, or the file is broken.
    """
    folders = list(walk(source.root))
    files = find_annotation_files(source, ".txt", looks_like)
    with_images = find_image_folders(source)
    for file in files:
        class_list = _find_class_list(file, folders, source)
        names = parsing.read_class_names(class_list)
        split = (parse_split(file.stem) or parse_split(file.parent.name)) if len(files) > 1 else None
        nearest = sort_nearest_first(with_images, file.parent, source, split)
        near_folders = [] if source.images else [file.parent, file.parent / "images"]
        sample = sample_names([_split_line(line)[0] for line in rows.read_opening(file) if line.strip()])
        farther = [*nearest, source.images] if source.images else [source.root, *nearest]
        places = find_places(near_folders, farther, file.parent, source, split=split, names=sample)
        yield from places.report_rivals()
        problems: list[tuple[str, str]] = []
        skipping = Skipping(problems)
        with open(file, "rb") as stream:
            for number, line in rows.number_lines(stream, file, problems):
                yield from faults.take(problems, file)
                name = ""
                with skipping:
                    name, objects = parse(line, file, number, names, class_list, problems)
                if not name or faults.is_nothing_left(objects, problems):
                    continue
                match = find_image(name, places, within=source.root)
                if match.outside:
                    yield Problem("path_outside", file, f"'{name}' leads outside {source.root}")
                yield AnnotatedImage(match.path, file, objects, split=split, match=match.match, dialect="yolo_keras")
        yield from faults.take(problems, file)


def _find_class_list(file: Path, folders: Sequence[Folder], source: Source) -> Path:
    """The list of classes in the file's folder, or in the nearest one to it."""
    above = [] if source.path.is_dir() else [Folder(file.parent.parent, _list_file_names(file.parent.parent))]
    near = sorted([*folders, *above], key=lambda folder: count_steps(folder.path, file.parent))
    for folder in near:
        for name in folder.files:
            if _LIST.search(name):
                return folder.path / name
    raise DataError(
        f"{file}: no list of classes beside it",
        "Write classes.txt, one name per line, in the order of the class numbers.",
    )


def _list_file_names(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_file()))


def parse(
    line: str, path: Path, number: int, names: Mapping[int, str], class_list: Path, problems: rows.Problems
) -> tuple[str, tuple[ObjectAnnotation, ...]]:
    """The path of an image and its objects from one line; the paths and the number are only named in errors.

    An object whose class has no name is a problem.

    Raises:
        AnnotationError: what follows the image's name is no box.
    """
    name, boxes = _split_line(line)
    if not name.lower().endswith(EXTENSIONS):
        raise parsing.line_error(path, number, f"not an image and boxes as x1,y1,x2,y2,class: '{name[-60:]}'")
    skipping = Skipping(problems)
    objects = []
    for word in boxes:
        with skipping:
            *corners, index = (float(value) for value in word.split(","))
            label = names.get(int(index)) if index < len(names) else None
            if not label:
                what = f"class {word.rpartition(',')[2]} has no name in {class_list}"
                raise faults.undefined_class(path, what, "Add the missing names to it.", line=number)
            objects.append(ObjectAnnotation(label, Box(*corners)))
    return name, tuple(objects)
