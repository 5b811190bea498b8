"""The CSV of keras-retinanet: path,x1,y1,x2,y2,class without a header; a path and commas for an empty image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import parsing, rows
from odtool.dataset.readers.common.lookup import find_image, placed, sample
from odtool.dataset.readers.common.rows import Row
from odtool.dataset.readers.common.source_folders import image_folders, nearest_first, walk
from odtool.dataset.splits import split_of_name
from odtool.dataset.types import AnnotatedImage, Box, Finding, ObjectAnnotation, Problem, Source

_CELLS = 6
_SHAPE = "path,x1,y1,x2,y2,class"


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as keras-retinanet's CSV, or None."""
    if path.is_file():
        return f"{path.name} has rows of {_SHAPE} and no header" if _looks_like(path) else None
    for folder in walk(path):
        for file in folder.ending(".csv"):
            if _looks_like(file):
                return f"{file} has rows of {_SHAPE} and no header"
    return None


def _looks_like(path: Path) -> bool:
    lines = rows.opening(path) if path.suffix.lower() == ".csv" else []
    line = next((line for line in lines if line.strip()), "")
    cells = [cell.strip().strip('"') for cell in line.rsplit(",", _CELLS - 1)]
    if len(cells) != _CELLS or not cells[0].lower().endswith(EXTENSIONS):
        return False
    return not any(cells[1:]) or (all(map(rows.is_number, cells[1:5])) and bool(cells[5]))


def read(source: Source) -> Iterator[Finding]:
    """Every image of the CSV files.

    Raises:
        DataError: a row is broken, or its class is not in the list of classes beside it.
    """
    folders = list(walk(source.root))
    if source.path.is_file():
        files = [source.path]
    else:
        files = [file for folder in folders for file in folder.ending(".csv") if _looks_like(file)]
    with_images = image_folders(list(walk(source.images)) if source.images else folders)
    unused: dict[str, Path] = {}
    used = set[str]()
    for file in files:
        split = (split_of_name(file.stem) or split_of_name(file.parent.name)) if len(files) > 1 else None
        nearest = nearest_first(with_images, file.parent, source, split)
        near = [] if source.images else [file.parent, file.parent / "images"]
        names = sample([line.rsplit(",", _CELLS - 1)[0] for line in rows.opening(file)])
        others = [*nearest, source.images] if source.images else [source.root, *nearest]
        places = placed(near, others, file.parent, source, split=split, names=names)
        listed, classes = _classes_for(file, source)
        unused |= dict.fromkeys(classes or (), listed)
        with open(file, "rb") as stream:
            for group in rows.grouped(stream, file, header=False):
                objects = parse(group, file, classes, listed)
                used |= {item.label for item in objects}
                found = find_image(group[0][1][0], places, within=source.root)
                if found.outside:
                    yield Problem("path_outside", file, f"'{group[0][1][0]}' leads outside {source.root}")
                yield AnnotatedImage(found.path, file, objects, split=split, match=found.match)
    for name in sorted(unused.keys() - used):
        yield Problem("class_unused", unused[name], f"'{name}' is listed, but no object is of it")


def _classes_for(file: Path, source: Source) -> tuple[Path, set[str] | None]:
    """The mapping name,id beside a file or in the source's root, and its names; None where there is none."""
    for folder in dict.fromkeys([file.parent, source.root]):
        for path in sorted(folder.glob("*.csv")):
            if path != file and path.is_file() and "class" in path.name.lower() and not _looks_like(path):
                with open(path, "rb") as stream:
                    return path, set(parse_classes(rows.numbered(stream, path), path))
    return file, None


def parse_classes(lines: Iterable[tuple[int, str]], path: Path) -> Iterator[str]:
    """The names of a mapping's numbered lines. Its ids are the network's own; ours come from the label map."""
    for number, line in lines:
        cells = rows.cells_of(line, path, number)
        if len(cells) != 2 or not cells[0] or not cells[1].isdecimal():
            raise parsing.broken(path, number, f"not a class and its number: '{line[:60]}'", "Write name,0 a line.")
        yield cells[0]


def parse(
    group: Sequence[Row], path: Path, classes: set[str] | None = None, listed: Path | None = None
) -> tuple[ObjectAnnotation, ...]:
    """The rows of one image; the paths are only named in errors.

    Raises:
        DataError: a row is neither a box nor empty, or its class is not among those listed.
    """
    objects = []
    for number, cells in group:
        if len(cells) != _CELLS or not cells[0]:
            raise parsing.broken(path, number, f"broken CSV: {len(cells)} cells; a row is {_SHAPE}")
        if not any(cells[1:]):
            continue  # an image without objects
        label = cells[5]
        if not label:
            raise parsing.broken(path, number, "broken CSV: a box without class")
        if classes is not None and label not in classes:
            raise parsing.broken(path, number, f"class '{label}' is not in {listed}", "Add it there, or mend it here.")
        try:
            box = Box(*(float(cell) for cell in cells[1:5]))
        except ValueError as error:
            raise parsing.broken(path, number, f"broken CSV: {error}") from None
        objects.append(ObjectAnnotation(label, box))
    return tuple(objects)
