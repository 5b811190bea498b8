"""The CSV of keras-retinanet: path,x1,y1,x2,y2,class without a header; a path and commas for an empty image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import faults, parsing, rows
from odtool.dataset.readers.common.annotation_files import find_annotation_files, find_evidence
from odtool.dataset.readers.common.faults import Skipping
from odtool.dataset.readers.common.lookup import find_image, find_places, sample_names
from odtool.dataset.readers.common.rows import Row
from odtool.dataset.readers.common.source_folders import find_image_folders, sort_nearest_first
from odtool.dataset.splits import parse_split
from odtool.dataset.types import AnnotatedImage, Finding, ObjectAnnotation, Problem, Source
from odtool.errors import DataError

_CELLS = 6
_SHAPE = "path,x1,y1,x2,y2,class"


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as keras-retinanet's CSV, or None."""
    return find_evidence(path, ".csv", _looks_like, f"has rows of {_SHAPE} and no header", samples=None)


def _looks_like(path: Path) -> bool:
    """Most of the first lines are rows, and the first is no header: VoTT's rows are the same below theirs."""
    if path.suffix.lower() != ".csv" or not rows.are_mostly(path, _is_row):
        return False
    first = next(line for line in rows.read_opening(path) if line.strip())
    return _split_row(first)[0].lower().endswith(EXTENSIONS)


def _is_row(line: str) -> bool:
    cells = _split_row(line)
    if len(cells) != _CELLS or not cells[0].lower().endswith(EXTENSIONS):
        return False
    return not any(cells[1:]) or (all(map(rows.is_number, cells[1:5])) and bool(cells[5]))


def _split_row(line: str) -> list[str]:
    return [cell.strip().strip('"') for cell in line.rsplit(",", _CELLS - 1)]


def read(source: Source) -> Iterator[Finding]:
    """Every image of the CSV files.

    Raises:
        DataError: a row is broken, or its class is not in the list of classes beside it.
    """
    files = find_annotation_files(source, ".csv", _looks_like)
    with_images = find_image_folders(source)
    listed_classes: dict[str, Path] = {}
    used_classes = set[str]()
    for file in files:
        split = (parse_split(file.stem) or parse_split(file.parent.name)) if len(files) > 1 else None
        nearest = sort_nearest_first(with_images, file.parent, source, split)
        near_folders = [] if source.images else [file.parent, file.parent / "images"]
        names = sample_names([line.rsplit(",", _CELLS - 1)[0] for line in rows.read_opening(file)])
        farther = [*nearest, source.images] if source.images else [source.root, *nearest]
        places = find_places(near_folders, farther, file.parent, source, split=split, names=names)
        yield from places.report_rivals()
        class_list, classes = _find_classes(file, source)
        listed_classes |= dict.fromkeys(classes or (), class_list)
        problems: list[tuple[str, str]] = []
        with open(file, "rb") as stream:
            for group in rows.group_rows(stream, file, problems, header=False):
                yield from faults.take(problems, file)
                objects = parse(group, file, problems, classes, class_list)
                used_classes |= {item.label for item in objects}
                if faults.is_nothing_left(objects, problems):
                    continue
                match = find_image(group[0][1][0], places, within=source.root)
                if match.outside:
                    yield Problem("path_outside", file, f"'{group[0][1][0]}' leads outside {source.root}")
                yield AnnotatedImage(match.path, file, objects, split=split, match=match.match, dialect="retinanet_csv")
        yield from faults.take(problems, file)
    for name in sorted(listed_classes.keys() - used_classes):
        yield Problem("class_unused", listed_classes[name], f"'{name}' is listed, but has no object")


def _find_classes(file: Path, source: Source) -> tuple[Path, set[str] | None]:
    """The mapping name,id beside a file or in the source's root, and its names; None where there is none."""
    for folder in dict.fromkeys([file.parent, source.root]):
        for path in sorted(folder.glob("*.csv")):
            if path != file and path.is_file() and "class" in path.name.lower() and not _looks_like(path):
                problems: list[tuple[str, str]] = []
                with open(path, "rb") as stream:
                    classes = set(parse_classes(rows.number_lines(stream, path, problems), path))
                for _, detail in problems:
                    raise DataError(f"{path}: {detail}", faults.FIX)
                return path, classes
    return file, None


def parse_classes(lines: Iterable[tuple[int, str]], path: Path) -> Iterator[str]:
    """The names of a mapping's numbered lines. Its ids are the network's own; ours come from the label map."""
    for number, line in lines:
        cells = rows.parse_cells(line, path, number)
        if len(cells) != 2 or not cells[0] or not cells[1].isdecimal():
            raise parsing.line_error(
                path, number, f"not a class and its number: '{line[:60]}'", "Write one name,number per line."
            )
        yield cells[0]


def parse(
    group: Sequence[Row],
    path: Path,
    problems: rows.Problems,
    classes: set[str] | None = None,
    class_list: Path | None = None,
) -> tuple[ObjectAnnotation, ...]:
    """The rows of one image; the paths are only named in problems.

    A row that is neither a box nor empty, or whose class is not among those listed, is a problem.
    """
    skipping = Skipping(problems)
    objects = []
    for number, cells in group:
        with skipping:
            if len(cells) != _CELLS or not cells[0]:
                raise parsing.line_error(path, number, f"broken CSV: {len(cells)} cells; a row is {_SHAPE}")
            if not any(cells[1:]):
                continue  # an image without objects
            label, box = cells[5], rows.parse_box(cells[1:5], path, number)
            if not label:
                problems.append(("label_missing", f"line {number}: a box in {cells[0]} without a class"))
            elif classes is not None and label not in classes:
                what = f"class '{label}' is not in {class_list}"
                raise faults.undefined_class(path, what, "Add it there, or correct it here.", line=number)
            else:
                objects.append(ObjectAnnotation(label, box))
    return tuple(objects)
