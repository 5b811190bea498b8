"""VGG Image Annotator: exports and projects of versions 1 and 2 as JSON, exports as CSV, projects of version 3."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from odtool.dataset.readers.common import faults, parsing, rows, values
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.faults import CollectedProblems, Skipping
from odtool.dataset.readers.common.image_lists import Documents, Listing, find_documents
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.common.streams.json_document import JsonDocument
from odtool.dataset.readers.common.streams.overflow import LongList, Overflow, open_overflow
from odtool.dataset.readers.tools.via import via3
from odtool.dataset.readers.tools.via.via_regions import (
    NUMBERS,
    Region,
    ScatteredImages,
    ViaImage,
    make_listing,
    parse_box,
    parse_outline,
    weigh_region,
)
from odtool.dataset.types import AnnotatedImage, Finding, Problem, Source
from odtool.errors import DataError

_TOOL = "VIA"
KEYS = ("_via_img_metadata", "_via_attributes", "metadata", "file", "view", "attribute")
_COLUMNS = ("filename", "region_shape_attributes", "region_attributes")


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as VIA's, or None."""
    return find_evidence(path, (".json", ".csv"), _looks_like, "has VIA's regions")


def _looks_like(path: Path) -> bool:
    """Images without a region have no shape_attributes, but all have file_attributes."""
    text = input_files.read_ends(path) if path.suffix.lower() in (".json", ".csv") else b""
    if path.suffix.lower() == ".csv":
        first = text.split(b"\n")[0]
        return all(name.encode() in first for name in _COLUMNS)
    if via3.looks_like(text):
        return True
    return b'"_via_img_metadata"' in text or (
        b'"filename"' in text
        and b'"regions"' in text
        and (b'"shape_attributes"' in text or b'"file_attributes"' in text)
    )


def read(source: Source) -> Iterator[Finding]:
    """Every image of the files. A project and its exports side by side say the same, and one of them is enough."""
    documents = find_documents(source, (".json", ".csv"), _looks_like)
    names_by_folder: dict[Path, set[int]] = {}
    for file in sorted(documents.files, key=lambda file: file.suffix.lower() != ".json"):
        yield from faults.report_broken(_read_file, file, documents, names_by_folder.setdefault(file.parent, set()))


def _read_file(file: Path, documents: Documents, folder_names: set[int]) -> Iterator[AnnotatedImage | Problem]:
    """The images of one file, the hashes of whose names are added to those that its folder has."""
    with input_files.open_binary(file) as stream, open_overflow(documents.source.scratch) as overflow:
        is_csv = file.suffix.lower() == ".csv"
        listing = parse_csv(stream, file, overflow) if is_csv else parse(JsonDocument(stream, file, KEYS), overflow)
        names = {hash(entry.names[0]) for entry in listing.entries}
        if names and names <= folder_names:
            yield Problem("file_skipped", file, "its images are in the files beside it")
            return
        folder_names |= names
        yield from documents.read_listing(file, listing)


def parse(document: JsonDocument, overflow: Overflow) -> Listing:
    """The images of a document. Boxes are the envelopes of the shapes.

    Raises:
        DataError: it is not as VIA writes it.
    """
    path = document.path
    if "metadata" in document and "file" in document:
        return via3.parse(document, overflow)
    numbered = _index_options(document.read("_via_attributes"))
    place = "_via_img_metadata" if "_via_img_metadata" in document else None
    if not document.is_list(place) and not document.is_object(place):
        raise parsing.unexpected_json(_TOOL, path, "has no images")
    problems, images = LongList[tuple[str, str]](overflow), LongList[ViaImage](overflow)
    for number, item in enumerate(document.iterate(place), 1):
        own: list[tuple[str, str]] = []
        with Skipping(own):
            image = _parse_image(item, number, path, own)
            if not faults.is_nothing_left(image.regions, own):
                images.append(_apply_options(image, numbered) if numbered else image, _weigh(image))
        for problem in own:
            problems.append(problem)
    return make_listing(images, problems, overflow)


def _weigh(image: ViaImage) -> int:
    return 1 + sum(map(weigh_region, image.regions))


def _index_options(attributes: Any) -> dict[str, dict[str, str]]:
    """By attribute, what a project's options with numbers for ids are called."""
    attributes = attributes.get("region") if isinstance(attributes, dict) else None
    option_names = {}
    for name, attribute in attributes.items() if isinstance(attributes, dict) else ():
        options = attribute.get("options") if isinstance(attribute, dict) else None
        texts = {
            key: text.strip()
            for key, text in (options.items() if isinstance(options, dict) else ())
            if key.isdecimal() and isinstance(text, str) and text.strip()
        }
        if texts:
            option_names[name] = texts
    return option_names


def _apply_options(image: ViaImage, numbered: dict[str, dict[str, str]]) -> ViaImage:
    def value(name: str, raw: Any) -> Any:
        options = numbered.get(name, {})
        if isinstance(raw, dict):
            return {options.get(key, key): checked for key, checked in raw.items()}
        return options.get(str(raw), raw)

    regions = (
        replace(region, attributes={name: value(name, raw) for name, raw in region.attributes.items()})
        for region in image.regions
    )
    return replace(image, regions=tuple(regions))


def _parse_image(item: Any, number: int, path: Path, problems: list[tuple[str, str]]) -> ViaImage:
    if not isinstance(item, dict) or not isinstance(item.get("filename"), str) or not item["filename"].strip():
        raise parsing.unexpected_json(_TOOL, path, f"image {number} has no filename")
    name, regions = item["filename"], item.get("regions") or []
    if isinstance(regions, dict):  # version 1 numbers them
        regions = list(regions.values())
    if not isinstance(regions, list):
        raise parsing.unexpected_json(_TOOL, path, f"{name}: regions is neither a list nor an object")
    skipping, parsed_regions = Skipping(problems), list[Region]()
    for position, region in enumerate(regions, start=1):
        with skipping:
            where = f"{name}: region {position}"
            if not isinstance(region, dict):
                raise parsing.unexpected_json(_TOOL, path, f"{where} is not an object")
            shape, attributes = region.get("shape_attributes"), region.get("region_attributes")
            if (parsed_region := _parse_region(shape, attributes, where, path, problems)) is not None:
                parsed_regions.append(parsed_region)
    return ViaImage(name, tuple(parsed_regions), _parse_file_size(item.get("size")))


def _parse_file_size(value: Any) -> int | None:
    """Bytes; VIA writes -1 for what it has not seen, and some write text."""
    text = str(value).strip()
    return int(text) if text.isascii() and text.isdecimal() and int(text) > 0 else None


def _parse_region(shape: Any, attributes: Any, where: str, path: Path, problems: CollectedProblems) -> Region | None:
    box, kind, detail = parse_box(shape)
    if box is None:
        values.refuse_words(shape, NUMBERS, where, path)
        problems.append((kind, f"{where} {detail}"))
        return None
    return Region(box, attributes if isinstance(attributes, dict) else {}, where, parse_outline(shape))


def parse_csv(stream: BinaryIO, path: Path, overflow: Overflow) -> Listing:
    """Parses an export's CSV, whose shapes and attributes are JSON in cells; `path` is only named in errors.

    A row that is short or has a cell that is no JSON is a problem; an image with no other rows is left out.

    Raises:
        AnnotationError: a column is missing, or the text is not UTF-8.
    """
    problems = LongList[tuple[str, str]](overflow)
    table = rows.parse_csv(rows.iterate_lines(stream, path), path, problems)
    columns = [cell.lstrip("#").strip() for cell in next(table, (1, list[str]()))[1]]
    rows.require_columns(columns, _COLUMNS, path, "Export the annotations as CSV again.")
    images = ScatteredImages(overflow)
    skipping = Skipping(problems)
    for line, row in table:
        with skipping:
            cells = dict(zip(columns, row, strict=True))
            if not (name := cells["filename"]):
                raise parsing.line_error(path, line, "broken CSV: no filename")
            images.mention(name, _parse_file_size(cells.get("file_size")))
            shape, attributes = (_parse_cell(cells[column], column, path, line) for column in _COLUMNS[1:])
            # An image without regions has one row, too.
            has_region = bool(shape) or cells.get("region_count", "0") != "0"
            region = _parse_region(shape, attributes, f"line {line}", path, problems) if has_region else None
            images.add(name, region)
    return make_listing(images, problems, overflow)


def _parse_cell(text: str, column: str, path: Path, line: int) -> Any:
    try:
        return parsing.parse_json(text.encode("utf-8", "surrogatepass") or b"{}", path)
    except DataError:
        raise parsing.line_error(path, line, f"broken CSV: {column} is not JSON: {text[:60]}") from None
