"""The CSV of the TensorFlow object detection tutorials: filename,width,height,class,xmin,ymin,xmax,ymax."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from odtool.dataset.readers.common import parsing
from odtool.dataset.readers.common.lookup import Places, find_image, placed, sample
from odtool.dataset.readers.common.shapes import unit_of
from odtool.dataset.readers.common.source_folders import image_folders, nearest_first, walk
from odtool.dataset.splits import split_of_name
from odtool.dataset.types import AnnotatedImage, Box, Finding, ObjectAnnotation, Problem, Source, Unit

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_NEEDED = ("filename", "class", *_CORNERS)
_ALSO = {
    "filename": ("file_name", "image", "image_name", "image_path", "img_path", "path", "file", "image_id"),
    "class": ("label", "class_name", "label_name", "category", "category_name", "name"),
    "xmin": ("x_min", "x1"),
    "ymin": ("y_min", "y1"),
    "xmax": ("x_max", "x2"),
    "ymax": ("y_max", "y2"),
    "width": ("image_width", "img_width"),
    "height": ("image_height", "img_height"),
}
"""What the columns are called where people write such files themselves."""
HEADER = ",".join(("filename", "width", "height", "class", *_CORNERS))
"""The first line, as the tutorials have it."""


@dataclass(frozen=True)
class CsvFile:
    """What one CSV file says."""

    images: dict[str, tuple[ObjectAnnotation, ...]]
    """Objects by file name, in the order of first mention."""
    sizes: dict[str, tuple[int, int]]
    unit: Unit


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as the tutorials' CSV, or None."""
    if path.is_file():
        return f"{path.name} has columns for {HEADER}" if _looks_like(path) else None
    files = [file for folder in walk(path) for file in folder.ending(".csv") if _looks_like(file)]
    return f"{files[0]} has columns for filename, class, xmin, ymin, xmax, ymax" if files else None


def _looks_like(path: Path) -> bool:
    if path.suffix.lower() != ".csv":
        return False
    first = parsing.ends(path).split(b"\n")[0].decode("utf-8-sig", "replace")
    return set(_NEEDED) <= set(_columns(first)[0])


def _columns(line: str) -> tuple[list[str], str]:
    """The tutorials' names of the columns, and the delimiter; spreadsheets of some countries write semicolons."""
    delimiter = max(",;\t", key=line.count)
    cells = [cell.strip().strip("\"'").lower() for cell in line.strip().split(delimiter)]
    for name, others in _ALSO.items():
        if name not in cells and (other := next(filter(cells.__contains__, others), None)):
            cells[cells.index(other)] = name
    return cells, delimiter


def read(source: Source) -> Iterator[Finding]:
    """Every image of the CSV files. A file for all beside files for splits is left out where it says the same again."""
    folders = list(walk(source.root))
    if source.path.is_file():
        files = [source.path]
    else:
        files = [file for folder in folders for file in folder.ending(".csv") if _looks_like(file)]
    splits = {file: split_of_name(file.stem) or split_of_name(file.parent.name) for file in files}
    if len(files) == 1:
        splits = dict.fromkeys(files)
    of_splits = "train" in splits.values()
    with_images = image_folders(folders)
    met: set[Path] = set()
    for file, split in sorted(splits.items(), key=lambda item: of_splits and item[1] is None):
        parsed = parse(parsing.read_bytes(file), file)
        places = _places(file, source, with_images, sample(list(parsed.images)))
        images = {name: find_image(name, places, within=source.root) for name in parsed.images}
        if of_splits:
            paths = {found.path for found in images.values()}
            if split is None and paths <= met:
                yield Problem("file_skipped", file, "its images are in the files for the splits beside it")
                continue
            met |= paths
        for name, objects in parsed.images.items():
            found = images[name]
            if found.outside:
                yield Problem("path_outside", file, f"'{name}' leads outside {source.root}")
            size = parsed.sizes.get(name)
            yield AnnotatedImage(found.path, file, objects, parsed.unit, split, declared_size=size, match=found.match)


def _places(file: Path, source: Source, with_images: list[Path], names: list[str]) -> Places:
    split = split_of_name(file.stem)
    if source.images is not None:
        folders = nearest_first([folder.path for folder in walk(source.images)], file.parent, source, split)
        return placed([], folders, file.parent, source, split=split, names=names)
    near = [place for place in (file.parent, file.parent / "images", file.parent.parent / "images") if place.is_dir()]
    of_split = [folder for folder in with_images if split and split_of_name(folder.name) == split]
    others = nearest_first(with_images, file.parent, source)
    return placed([*of_split, *near], others, file.parent, source, split=split, names=names)


def parse(data: bytes, path: Path) -> CsvFile:
    """Parses a CSV file's bytes; `path` is only named in errors.

    Coordinates are fractions where those of the whole file are about 1 at most, else pixels.

    Raises:
        DataError: a column is missing, a row is short, or a coordinate is no number.
    """
    text = parsing.text_of(data, path)
    columns, delimiter = _columns(text.split("\n", 1)[0])
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        raise parsing.broken(path, 1, f"no column '{missing[0]}'", f"The first line should be {HEADER}")
    at = {name: columns.index(name) for name in columns}
    images: dict[str, list[ObjectAnnotation]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        next(rows)
        for row in rows:
            if not any(row):
                continue
            if len(row) < len(columns):
                raise parsing.broken(path, rows.line_num, f"broken CSV: {len(row)} cells, {len(columns)} columns")
            name = row[at["filename"]].strip()
            if not name:
                raise parsing.broken(path, rows.line_num, "broken CSV: no file name")
            objects = images.setdefault(name, [])
            if (size := _size(row, at)) is not None:
                sizes.setdefault(name, size)
            label, corners = row[at["class"]].strip(), [row[at[corner]].strip() for corner in _CORNERS]
            if not label and not any(corners):
                continue  # a row with a name alone is a background image
            box = _box([_point(corner, delimiter) for corner in corners], path, rows.line_num)
            if not label:
                raise parsing.broken(path, rows.line_num, "broken CSV: a box without class")
            objects.append(ObjectAnnotation(label, box))
    except csv.Error as error:
        raise parsing.broken(path, rows.line_num or 1, f"broken CSV: {error}") from None
    boxes = (item.box for objects in images.values() for item in objects)
    unit = unit_of(max(box.xmin, box.ymin, box.xmax, box.ymax) for box in boxes)
    return CsvFile({name: tuple(objects) for name, objects in images.items()}, sizes, unit)


def _point(number: str, delimiter: str) -> str:
    """Where cells are parted by semicolons, numbers may have a decimal comma."""
    return number if delimiter == "," else number.replace(",", ".")


def _box(corners: list[str], path: Path, line: int) -> Box:
    values = []
    for name, text in zip(_CORNERS, corners, strict=True):
        try:
            values.append(float(text))
        except ValueError:
            raise parsing.broken(path, line, f"broken CSV: {name} is '{text}', not a number") from None
    return Box(*values)


def _size(row: list[str], at: dict[str, int]) -> tuple[int, int] | None:
    try:
        width, height = int(float(row[at["width"]])), int(float(row[at["height"]]))
    except (KeyError, ValueError, OverflowError):
        return None  # only compared with the image's own, which is what counts
    return (width, height) if width > 0 and height > 0 else None
