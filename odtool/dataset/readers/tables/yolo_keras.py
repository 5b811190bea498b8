"""YOLO-Keras and YOLOv4 text: a line an image, its path and then x1,y1,x2,y2,class for each box."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import parsing, rows
from odtool.dataset.readers.common.lookup import find_image, placed, sample
from odtool.dataset.readers.common.source_folders import Folder, image_folders, nearest_first, steps_between, walk
from odtool.dataset.splits import split_of_name
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
    if path.is_file():
        return f"{path.name} has a path and x1,y1,x2,y2,class a line" if _looks_like(path) else None
    for folder in walk(path):
        for file in folder.ending(".txt")[:_SAMPLES]:
            if _looks_like(file):
                return f"{file} has a path and x1,y1,x2,y2,class a line"
    return None


def _looks_like(path: Path) -> bool:
    """Some of the first lines have boxes; images without any are a path alone."""
    if path.suffix.lower() != ".txt" or _LIST.search(path.name):
        return False
    lines = [_words(line) for line in rows.opening(path) if line.strip()]
    return bool(lines) and any(boxes and name.lower().endswith(EXTENSIONS) for name, boxes in lines)


def _words(line: str) -> tuple[str, list[str]]:
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
    if source.path.is_file():
        files = [source.path]
    else:
        files = [file for folder in folders for file in folder.ending(".txt") if _looks_like(file)]
    with_images = image_folders(list(walk(source.images)) if source.images else folders)
    for file in files:
        listed = _list_for(file, folders, source)
        names = dict(enumerate(_without_blank_end(parsing.lines_of(listed))))
        split = (split_of_name(file.stem) or split_of_name(file.parent.name)) if len(files) > 1 else None
        nearest = nearest_first(with_images, file.parent, source, split)
        near = [] if source.images else [file.parent, file.parent / "images"]
        first = sample([_words(line)[0] for line in rows.opening(file) if line.strip()])
        others = [*nearest, source.images] if source.images else [source.root, *nearest]
        places = placed(near, others, file.parent, source, split=split, names=first)
        with open(file, "rb") as stream:
            for number, line in rows.numbered(stream, file):
                name, objects = parse(line, file, number, names, listed)
                found = find_image(name, places, within=source.root)
                if found.outside:
                    yield Problem("path_outside", file, f"'{name}' leads outside {source.root}")
                yield AnnotatedImage(found.path, file, objects, split=split, match=found.match)


def _list_for(file: Path, folders: Sequence[Folder], source: Source) -> Path:
    """The list of classes in the file's folder, or in the nearest one to it."""
    above = [] if source.path.is_dir() else [Folder(file.parent.parent, _file_names(file.parent.parent))]
    near = sorted([*folders, *above], key=lambda folder: steps_between(folder.path, file.parent))
    for folder in near:
        for name in folder.files:
            if _LIST.search(name):
                return folder.path / name
    raise DataError(f"{file}: no list of its classes beside it", "Write classes.txt, one name a line, in their order.")


def _file_names(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_file()))


def _without_blank_end(lines: list[str]) -> list[str]:
    while lines and not lines[-1]:
        lines.pop()
    return lines


def parse(
    line: str, path: Path, number: int, names: Mapping[int, str], listed: Path
) -> tuple[str, tuple[ObjectAnnotation, ...]]:
    """The path of an image and its objects from one line; the paths and the number are only named in errors.

    Raises:
        DataError: what follows the image's name is no box, or its class has no name.
    """
    name, boxes = _words(line)
    if not name.lower().endswith(EXTENSIONS):
        raise parsing.broken(path, number, f"not an image and boxes as x1,y1,x2,y2,class: '{name[-60:]}'")
    objects = []
    for word in boxes:
        *corners, index = (float(value) for value in word.split(","))
        label = names.get(int(index)) if index < len(names) else None
        if not label:
            raise parsing.broken(
                path, number, f"class {word.rpartition(',')[2]} has no name in {listed}", "Add the missing names to it."
            )
        objects.append(ObjectAnnotation(label, Box(*corners)))
    return name, tuple(objects)
