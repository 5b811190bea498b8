"""Open Images V4 to V7: tables of boxes by image id, classes as MIDs with a table of their names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import faults, parsing, rows
from odtool.dataset.readers.common.faults import NoBoxesError, Skipping
from odtool.dataset.readers.common.rows import Row
from odtool.dataset.readers.common.source_folders import Folder, find_split, walk
from odtool.dataset.splits import parse_split
from odtool.dataset.types import AnnotatedImage, Box, Finding, ObjectAnnotation, Problem, Source
from odtool.errors import DataError

_CORNERS = ("XMin", "YMin", "XMax", "YMax")
_NEEDED = ("ImageID", "LabelName", *_CORNERS)
_FLAGS = ("IsTruncated", "IsOccluded", "IsGroupOf")
_OTHERS = {
    "MaskPath": "masks; their boxes are in the table of boxes",
    "LabelName1": "relations between objects",
    "OriginalURL": "addresses of the images",
    "Confidence": "labels of whole images, no boxes",
}
"""Other tables by a column of theirs, and why they are not read."""
_MID = ("/m/", "/g/", "/t/")
"""What the ids of Freebase and of the Knowledge Graph begin with."""


@dataclass(frozen=True)
class Columns:
    """Where the cells of a table of boxes stand."""

    at: Mapping[str, int]
    count: int


@dataclass
class Images:
    """The image files of a source by name, and which of them had boxes."""

    folders: list[Path] = field(default_factory=list)
    positions: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """File name → positions in `folders`."""
    annotated_stems: set[str] = field(default_factory=set)
    """Stems of the images that a table names."""
    splits: set[str | None] | None = None
    """Those of the folders with images, once they are asked for."""
    spellings: dict[str, str] | None = None
    """File names by their form without letter case, once they are asked for; '' for those that two have in common."""

    def add(self, folder: Folder) -> None:
        """Takes up the images of a folder."""
        position = (len(self.folders),)
        self.folders.append(folder.path)
        for name in folder.files:
            if name.lower().endswith(EXTENSIONS):
                self.positions[name] = self.positions[name] + position if name in self.positions else position

    def find(self, identity: str, split: str | None, root: Path) -> Path | None:
        """The image with this id. Only names met in the folders are found, so an id cannot lead elsewhere.

        Where images of the table's split lie in folders of their own, one of another split is not taken for it.
        """
        self.annotated_stems.add(identity)
        endings = (".jpg", "", ".JPG", *EXTENSIONS)
        name = next((identity + ending for ending in endings if identity + ending in self.positions), None)
        name = name or self._find_other_case(identity, endings)
        if name is None:
            return None
        self.annotated_stems.add(Path(name).stem)
        folders = [self.folders[position] for position in self.positions[name]]
        best = min(folders, key=lambda folder: find_split(folder, root) != split)
        if split and find_split(best, root) != split:
            if self.splits is None:
                used_positions = {position for positions in self.positions.values() for position in positions}
                self.splits = {find_split(self.folders[position], root) for position in used_positions}
            if split in self.splits:
                return None
        return best / name

    def _find_other_case(self, identity: str, endings: Iterable[str]) -> str | None:
        """The image whose name differs in letter case alone."""
        if self.spellings is None:
            self.spellings = {}
            for spelling in self.positions:
                key = spelling.casefold()
                self.spellings[key] = "" if key in self.spellings else spelling
        keys = ((identity + ending).casefold() for ending in endings)
        return next((name for key in keys if (name := self.spellings.get(key))), None)


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as Open Images, or None."""
    if path.is_file():
        return f"{path.name} has the columns {', '.join(_NEEDED)}" if _identify(path) == "boxes" else None
    other_table = None
    for folder in walk(path):
        for file in folder.find_files(".csv"):
            kind = _identify(file)
            if kind == "boxes":
                return f"{file} has the columns {', '.join(_NEEDED)}"
            other_table = other_table or (file if kind not in ("", "names") else None)
    return f"{other_table} is a table of Open Images" if other_table else None


def _identify(path: Path) -> str:
    """'boxes', 'names', why a table of Open Images is not read, or '' for another file."""
    if path.suffix.lower() != ".csv" or not (lines := rows.read_opening(path)):
        return ""
    header = _parse_header(lines[0])
    if set(_NEEDED) <= set(header):
        return "boxes"
    if header == ["LabelName", "DisplayName"] or (len(header) >= 2 and header[0].startswith(_MID)):
        return "names"
    if "ImageID" not in header:
        return ""
    return next((reason for column, reason in _OTHERS.items() if column in header), "")


def _parse_header(line: str) -> list[str]:
    """The names of the columns, as Open Images spells them whatever their letter case."""
    spelling = {name.lower(): name for name in (*_NEEDED, *_FLAGS, *_OTHERS, "DisplayName")}
    cells = [cell.strip().strip('"') for cell in line.split(",")]
    return [spelling.get(cell.lower(), cell) for cell in cells]


def read(source: Source) -> Iterator[Finding]:
    """Every image of the tables of boxes, and as background what lies beside them without boxes.

    Raises:
        DataError: there is no table of boxes, or one is broken.
    """
    folders = list(walk(source.root))
    kinds = {file: kind for folder in folders for file in folder.find_files(".csv") if (kind := _identify(file))}
    tables = [source.path] if source.path.is_file() else [file for file, kind in kinds.items() if kind == "boxes"]
    for file, kind in kinds.items():
        if kind not in ("boxes", "names") and source.path.is_dir():
            yield Problem("file_skipped", file, kind)
    if not tables:
        raise NoBoxesError(
            f"{source.path}: tables of Open Images, but none with boxes",
            "Put train-annotations-bbox.csv (or that of another split) beside them.",
        )
    names = _read_names([file for file, kind in kinds.items() if kind == "names"] or _find_names_above(source))
    images = Images()
    for folder in _walk_image_folders(source, folders):
        images.add(folder)
    unnamed_classes: set[str] = set()
    for table in tables:
        yield from faults.report_broken(_read_table, table, images, names, unnamed_classes, source)
    yield from _report_without_boxes(images, {table: _find_split(table, source.root) for table in tables}, source)


def _walk_image_folders(source: Source, folders: list[Folder]) -> Iterator[Folder]:
    if source.images is not None:
        yield from walk(source.images)
        return
    yield from folders
    beside = source.root.parent / "images"
    if beside.is_dir() and beside != source.root:
        yield from walk(beside)


def _find_names_above(source: Source) -> list[Path]:
    """Where one split's folder is the source, the table of names lies in the folder above it."""
    above = [path for path in source.root.parent.glob("*.csv") if _identify(path) == "names"]
    return sorted(above)


def _read_names(files: Iterable[Path]) -> dict[str, str]:
    names: dict[str, str] = {}
    for file in files:
        with open(file, "rb") as stream:
            problems: list[tuple[str, str]] = []
            for identity, name in parse_names(rows.number_lines(stream, file, problems), file):
                names.setdefault(identity, name)
        for _, detail in problems:
            raise DataError(f"{file}: {detail}", faults.FIX)
    return names


def parse_names(lines: Iterable[tuple[int, str]], path: Path) -> Iterator[tuple[str, str]]:
    """MIDs and display names from the numbered lines of a table of classes, with or without a header."""
    for number, line in lines:
        cells = rows.parse_cells(line, path, number)
        if number == 1 and cells[0] == "LabelName":
            continue
        if len(cells) < 2 or not cells[0] or not cells[1]:
            raise parsing.line_error(path, number, f"not a class id and its name: '{line[:60]}'")
        yield cells[0], cells[1]


def _read_table(
    table: Path, images: Images, names: Mapping[str, str], unnamed_classes: set[str], source: Source
) -> Iterator[Finding]:
    split = _find_split(table, source.root)
    problems: list[tuple[str, str]] = []
    with open(table, "rb") as stream:
        columns = parse_columns(rows.read_opening(table), table)
        for group in rows.group_rows(stream, table, problems, header=True):
            identity = group[0][1][0]
            yield from faults.take(problems, table)
            path = images.find(identity, split, source.images or source.root)
            if path is None:
                yield Problem("image_missing", table, f"line {group[0][0]}: no image '{identity}'")
                continue
            objects = parse(group, columns, table, problems)
            if faults.is_nothing_left(objects, problems):
                continue
            for label in {item.label for item in objects} - names.keys() - unnamed_classes:
                unnamed_classes.add(label)
                yield Problem("class_unnamed", table, f"'{label}' has no name in the table of classes")
            yield AnnotatedImage(path, table, _apply_names(objects, names), "fraction", split, identity)
    yield from faults.take(problems, table)


def parse_columns(lines: Sequence[str], path: Path) -> Columns:
    """The columns that a table's first line names; raises DataError where one is missing."""
    header = _parse_header(lines[0]) if lines else []
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        raise parsing.line_error(
            path, 1, f"no column '{missing[0]}'", f"The first line should name {', '.join(_NEEDED)}"
        )
    if header[0] != "ImageID":
        raise parsing.line_error(path, 1, f"the first column is '{header[0]}'", "Put ImageID first.")
    return Columns({name: position for position, name in enumerate(header)}, len(header))


def parse(group: Sequence[Row], columns: Columns, path: Path, problems: rows.Problems) -> tuple[ObjectAnnotation, ...]:
    """The rows of one image, with MIDs for labels and boxes in fractions.

    A row that is short, has no class or a coordinate that is no number is a problem.
    """
    skipping = Skipping(problems)
    objects = []
    for number, cells in group:
        with skipping:
            box = _parse_box(cells, columns, path, number)
            if label := cells[columns.at["LabelName"]]:
                objects.append(_make_object(label, box, cells, columns.at))
            else:
                problems.append(("label_missing", f"line {number}: a box in {cells[0]} without a class"))
    return tuple(objects)


def _parse_box(cells: Sequence[str], columns: Columns, path: Path, number: int) -> Box:
    if len(cells) < columns.count:
        raise parsing.line_error(path, number, f"broken CSV: {len(cells)} cells, {columns.count} columns")
    # Fractions have no thousands, so that a comma can only be a decimal one, as some spreadsheets write it.
    return rows.parse_box([cells[columns.at[name]].replace(",", ".") for name in _CORNERS], path, number)


def _make_object(label: str, box: Box, cells: Sequence[str], at: Mapping[str, int]) -> ObjectAnnotation:
    # -1 is for "unknown".
    truncated, occluded, group_of = (name in at and cells[at[name]] == "1" for name in _FLAGS)
    return ObjectAnnotation(label, box, truncated=truncated, occluded=occluded, group_of=group_of)


def _apply_names(objects: Iterable[ObjectAnnotation], names: Mapping[str, str]) -> tuple[ObjectAnnotation, ...]:
    return tuple(
        ObjectAnnotation(
            names.get(item.label, item.label),
            item.box,
            truncated=item.truncated,
            occluded=item.occluded,
            group_of=item.group_of,
        )
        for item in objects
    )


def _find_split(table: Path, root: Path) -> str | None:
    return parse_split(table.stem) or find_split(table.parent, root)


def _report_without_boxes(images: Images, splits: Mapping[Path, str | None], source: Source) -> Iterator[Finding]:
    """Images that no table names: background where their split has a table of boxes, else not annotated at all."""
    root = source.images or source.root
    tables = {split: table for table, split in splits.items()}
    skipped_counts: dict[Path, int] = {}
    for name, positions in images.positions.items():
        folder = images.folders[positions[0]]
        if Path(name).stem in images.annotated_stems or (
            folder.is_relative_to(root) and "masks" in folder.relative_to(root).parts
        ):
            continue
        split = find_split(folder, root)
        if split in tables or split is None or None in tables:
            yield AnnotatedImage(folder / name, folder / name, (), "fraction", split, Path(name).stem)
        else:
            skipped_counts[folder] = skipped_counts.get(folder, 0) + 1
    for folder, count in skipped_counts.items():
        yield Problem("file_skipped", folder, f"{count} images of a split without a table of boxes")
