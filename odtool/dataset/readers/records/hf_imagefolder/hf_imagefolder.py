"""Hugging Face image folders: metadata.jsonl (or .csv) beside the images, with `objects` in every row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from odtool.dataset.readers.common import faults, parsing, rows, values
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.faults import Skipping
from odtool.dataset.readers.common.image_lists import find_documents, locate
from odtool.dataset.readers.common.lookup import Places
from odtool.dataset.readers.common.source_folders import find_file_split
from odtool.dataset.readers.common.streams import input_files, json_lines
from odtool.dataset.readers.namesakes.contender import Stated
from odtool.dataset.readers.records.hf_imagefolder import hf_card
from odtool.dataset.splits import parse_split
from odtool.dataset.types import AnnotatedImage, Box, Finding, ObjectAnnotation, Problem, Source
from odtool.errors import DataError

_FILES = ("metadata.jsonl", "metadata.csv")
_NAME_KEYS = ("file_name", "image")
BOX_KEYS = ("bbox", "bboxes", "boxes", "box")
_SAMPLES = 50
"""Rows that are looked into to tell where the images lie."""
CLASS_KEYS = ("categories", "category", "category_id", "labels", "label", "class", "classes", "class_label", "name")


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as a Hugging Face image folder, or None."""
    return find_evidence(path, _FILES, _looks_like, "has rows with a file_name and objects")


def _looks_like(path: Path) -> bool:
    """Metadata without boxes (captions, classes) is no detection set."""
    if not path.name.lower().endswith((".jsonl", ".csv")):
        return False
    head = input_files.read_ends(path)
    if path.suffix.lower() == ".csv":
        head = head.split(b"\n")[0]
        return b"file_name" in head and b"objects" in head
    return b'"file_name"' in head and any(f'"{key}"'.encode() in head for key in ("objects", *BOX_KEYS))


def read(source: Source) -> Iterator[Finding]:
    """Every row, one at a time."""
    documents = find_documents(source, _FILES, _looks_like)
    unnamed_classes: set[int] = set()
    for file in documents.files:
        stated = dict(_sample_names(file))
        places = documents.find_places(file, list(stated), stated.__getitem__)
        yield from places.report_rivals()
        names = hf_card.find_class_names(file, source, CLASS_KEYS)
        yield from faults.report_broken(_read_file, file, places, names, unnamed_classes, source)


def _read_file(
    file: Path, places: Places, names: dict[int, str], unnamed_classes: set[int], source: Source
) -> Iterator[Finding]:
    file_split, problems = find_file_split(file, source), list[tuple[str, str]]()
    skipping = Skipping(problems)
    for number, row in _read_rows(file, problems):
        yield from faults.take(problems, file)
        name, objects = "", tuple[ObjectAnnotation, ...]()
        with skipping:
            name, objects = parse(row, file, number, names, problems)
        is_left_out = not name or faults.is_nothing_left(objects, problems)
        yield from faults.take(problems, file)
        if is_left_out:
            continue
        for index in sorted(
            {int(item.label) for item in objects if item.label.isdecimal()} - unnamed_classes - set(names)
        ):
            if not is_text(row):
                unnamed_classes.add(index)
                detail = f"line {number}: no README.md or dataset_infos.json names class {index}"
                yield Problem("class_unnamed", file, detail)
        image = locate([name], places, within=source.root)
        if image.outside:
            yield Problem("path_outside", file, f"line {number}: '{name}' leads outside {source.root}")
        split = file_split or next(filter(None, map(parse_split, reversed(name.split("/")[:-1]))), None)
        yield AnnotatedImage(
            image.path,
            file,
            objects,
            split=split,
            declared_size=_parse_size(row),
            match=image.match,
            dialect="hf_imagefolder",
        )
    yield from faults.take(problems, file)


def _sample_names(path: Path) -> Iterator[tuple[str, Stated]]:
    """Some of the images that a file names, each with what it says of the image's file."""
    try:
        is_csv = path.suffix.lower() == ".csv"
        sample = (row for _, row in _read_csv_rows(path, [])) if is_csv else json_lines.sample_rows(path)
        for row in islice(sample, _SAMPLES):
            if name := _get_name(row):
                yield name, Stated(_parse_size(row))
    except DataError:
        return  # whoever reads all rows says what is wrong with one


def _read_rows(path: Path, problems: list[tuple[str, str]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers and rows, one at a time, as there may be many."""
    if path.suffix.lower() == ".csv":
        with input_files.open_binary(path) as stream:
            for _ in rows.iterate_lines(stream, path):  # a file that is not text is no annotation, to its last line
                pass
        yield from _read_csv_rows(path, problems)
    else:
        yield from json_lines.read_rows(path, problems)


def _read_csv_rows(path: Path, problems: list[tuple[str, str]]) -> Iterator[tuple[int, dict[str, Any]]]:
    with input_files.open_binary(path) as stream:
        yield from _parse_csv_rows(rows.iterate_lines(stream, path), path, problems)


def _parse_csv_rows(
    lines: Iterable[str], path: Path, problems: list[tuple[str, str]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The column `objects` holds JSON."""
    skipping, table = Skipping(problems), rows.parse_csv(lines, path, problems, extra_cells=True)
    columns = next(table, (1, list[str]()))[1]
    for number, cells in table:
        with skipping:
            content: dict[str, Any] = dict(zip(columns, cells, strict=False))
            objects = content.get("objects") or "{}"
            try:
                content["objects"] = json.loads(objects)
            except (ValueError, RecursionError):
                raise parsing.line_error(path, number, f"objects is not JSON: {objects[:60]}") from None
            yield number, content


def parse(
    row: dict[str, Any], path: Path, number: int, names: dict[int, str], problems: list[tuple[str, str]]
) -> tuple[str, tuple[ObjectAnnotation, ...]]:
    """The file name and objects of one row; boxes as the format has them.

    `path` and `number` are only named in problems.

    Raises:
        AnnotationError: the row names no file, or its lists are not of one length.
    """
    name = _get_name(row)
    if not name:
        raise parsing.line_error(path, number, "no file_name")
    skipping, objects = Skipping(problems), list[ObjectAnnotation]()
    for position, (box, category) in enumerate(_pair_boxes(row, path, number), start=1):
        with skipping:
            four, label = values.parse_numbers(box, 4), _make_label(category, names)
            if four is None and box:
                what = f"object {position}: bbox is not four numbers: {str(box)[:60]}"
                raise parsing.line_error(path, number, what)
            if four is None:
                problems.append(("box_missing", f"line {number}: object {position} has no bbox"))
            elif not label:
                problems.append(("label_missing", f"line {number}: object {position} has no category"))
            else:
                objects.append(ObjectAnnotation(label, Box(four[0], four[1], four[0] + four[2], four[1] + four[3])))
    return name, tuple(objects)


def _get_name(row: dict[str, Any]) -> str:
    """The name of a row's image, or ''."""
    return next((row[key].strip() for key in _NAME_KEYS if isinstance(row.get(key), str) and row[key].strip()), "")


def _pair_boxes(row: dict[str, Any], path: Path, number: int) -> list[tuple[Any, Any]]:
    """Boxes and categories: two lists side by side, or a list of objects with one each."""
    objects = row.get("objects", row)
    if objects is None:
        return []
    if isinstance(objects, list):
        if not all(isinstance(item, dict) for item in objects):
            raise parsing.line_error(path, number, "objects is a list, but not of objects")
        return [(_get_first(item, BOX_KEYS), _get_first(item, CLASS_KEYS)) for item in objects]
    if not isinstance(objects, dict):
        raise parsing.line_error(path, number, "objects is neither a list nor an object with lists")
    boxes, categories = _get_first(objects, BOX_KEYS) or [], _get_first(objects, CLASS_KEYS)
    if not isinstance(boxes, list) or not isinstance(categories, list | None):
        raise parsing.line_error(path, number, "bbox or categories is not a list")
    if categories is None:
        categories = [None] * len(boxes)
    if len(boxes) != len(categories):
        raise parsing.line_error(path, number, f"{len(boxes)} boxes, but {len(categories)} categories")
    return list(zip(boxes, categories, strict=True))


def _get_first(item: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((item[key] for key in keys if item.get(key) is not None), None)


def _make_label(category: Any, names: dict[int, str]) -> str:
    if isinstance(category, int) and not isinstance(category, bool):
        return names.get(category, str(category))
    return category.strip() if isinstance(category, str) else ""


def is_text(row: dict[str, Any]) -> bool:
    """Whether the row has categories as text, so that '3' is a name."""
    objects = row.get("objects", row)
    categories = _get_first(objects, CLASS_KEYS) if isinstance(objects, dict) else objects
    return isinstance(categories, list) and any(isinstance(item, str) for item in categories)


def _parse_size(row: dict[str, Any]) -> tuple[int, int] | None:
    return values.parse_size(row.get("width"), row.get("height"))
