"""CreateML JSON: a list of images whose boxes are given by their centres, or by corners where Create ML is set to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odtool.dataset import dialects
from odtool.dataset.readers.common import faults, parsing, values
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.faults import Skipping
from odtool.dataset.readers.common.image_lists import ImageEntry, Listing, list_spellings, read_long_documents
from odtool.dataset.readers.common.shapes import UnitGuess
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.common.streams.json_document import JsonDocument
from odtool.dataset.readers.common.streams.overflow import LongList, Overflow
from odtool.dataset.types import Finding, ObjectAnnotation, Source

_TOOL = "Create ML"
_IMAGE_KEYS = ("image", "imagefilename", "imageFilename", "filename", "imageURL", "imagePath")
KEYS = ("annotations", "annotation")
_SIDES = ("x", "y", "width", "height")


@dataclass(frozen=True)
class _Item:
    """One annotation with its four numbers as they stand."""

    label: str
    sides: tuple[float, ...]


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as CreateML's, or None."""
    return find_evidence(path, ".json", _looks_like, "has images with labels and coordinates")


def _looks_like(path: Path) -> bool:
    """A list whose images have annotations, which have coordinates; in a list of negatives there are none.

    Or one such image by itself, as some write a file for each.
    """
    if path.suffix.lower() != ".json":
        return False
    text = input_files.read_ends(path)
    is_list = text.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"["
    may_be = is_list or any(f'"{key}"'.encode() in text for key in _IMAGE_KEYS)
    return may_be and b'"coordinates"' in text and any(f'"{key}"'.encode() in text for key in KEYS)


def read(source: Source) -> Iterator[Finding]:
    """Every image of the files."""
    yield from read_long_documents(source, ".json", _looks_like, parse, KEYS)


def parse(document: JsonDocument, overflow: Overflow) -> Listing:
    """The images of a document.

    Coordinates are fractions where those of the whole file are about 1 at most, else pixels.

    Raises:
        DataError: it is not as Create ML has it.
    """
    path, is_one = document.path, any(key in document for key in KEYS)
    if not is_one and not document.is_list():
        raise parsing.unexpected_json(_TOOL, path, "is not a list of images")
    problems, entries, guess = LongList[tuple[str, str]](overflow), LongList[ImageEntry](overflow), UnitGuess()
    for number, item in enumerate([document.load()] if is_one else document.iterate(), start=1):
        own: list[tuple[str, str]] = []
        with Skipping(own):
            name, annotations = _parse_image(item, number, path, own)
            if not faults.is_nothing_left(annotations, own):
                entries.append(_make_entry(name, annotations), 1 + len(annotations))
                for annotation in annotations:
                    guess.add(max(annotation.sides))
        for problem in own:
            problems.append(problem)
    return Listing(entries, problems, "createml", guess.unit)


def _make_entry(name: str, items: list[_Item]) -> ImageEntry:
    objects = (ObjectAnnotation(item.label, dialects.make_box(item.sides, "cxcywh")) for item in items)
    return ImageEntry(list_spellings(name) or (name,), tuple(objects))


def _parse_image(item: Any, number: int, path: Path, problems: list[tuple[str, str]]) -> tuple[str, list[_Item]]:
    name = next((item[key] for key in _IMAGE_KEYS if key in item), None) if isinstance(item, dict) else None
    if not isinstance(name, str) or not name.strip():
        raise parsing.unexpected_json(_TOOL, path, f"image {number} has no name under 'image'")
    annotations = next((item[key] for key in KEYS if key in item), None) or []
    if not isinstance(annotations, list):
        raise parsing.unexpected_json(_TOOL, path, f"{name}: annotations is not a list")
    skipping, items = Skipping(problems), list[_Item]()
    for position, annotation in enumerate(annotations, start=1):
        with skipping:
            parsed_item = _parse_item(annotation, f"{name}: annotation {position}", path, problems)
            items += [parsed_item] if parsed_item else []
    return name, items


def _parse_item(annotation: Any, where: str, path: Path, problems: list[tuple[str, str]]) -> _Item | None:
    if not isinstance(annotation, dict):
        raise parsing.unexpected_json(_TOOL, path, f"{where} is not an object")
    label, coordinates = annotation.get("label"), annotation.get("coordinates")
    sides = values.parse_fields(coordinates, *_SIDES)
    if sides is None:
        values.refuse_words(coordinates, _SIDES, where, path)
        problems.append(("box_missing", f"{where} has no coordinates x, y, width and height"))
    elif not isinstance(label, str | int) or isinstance(label, bool) or not str(label).strip():
        problems.append(("label_missing", f"{where} has no label"))
    else:
        return _Item(str(label).strip(), sides)
    return None
