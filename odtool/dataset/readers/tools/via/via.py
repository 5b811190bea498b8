"""VGG Image Annotator: exports and projects of versions 1 and 2 as JSON, exports as CSV, projects of version 3."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from odtool.dataset.readers.common import parsing
from odtool.dataset.readers.common.image_lists import Listing, documents_of, first_like
from odtool.dataset.readers.tools.via import via3
from odtool.dataset.readers.tools.via.via_regions import Image, Region, box_of, listing_of, outline_of
from odtool.dataset.types import Finding, Problem, Source
from odtool.errors import DataError

_COLUMNS = ("filename", "region_shape_attributes", "region_attributes")


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as VIA's, or None."""
    found = first_like(path, (".json", ".csv"), _looks_like)
    return f"{found} has VIA's regions" if found else None


def _looks_like(path: Path) -> bool:
    """Images without a region have no shape_attributes, but all have file_attributes."""
    text = parsing.ends(path) if path.suffix.lower() in (".json", ".csv") else b""
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
    found = documents_of(source, (".json", ".csv"), _looks_like)
    read_already: dict[Path, set[str]] = {}
    for file in sorted(found.files, key=lambda file: file.suffix.lower() != ".json"):
        data = parsing.read_bytes(file)
        listing = parse_csv(data, file) if file.suffix.lower() == ".csv" else parse(data, file)
        seen = read_already.setdefault(file.parent, set())
        names = {entry.names[0] for entry in listing.entries}
        if names and names <= seen:
            yield Problem("file_skipped", file, "its images are in the files beside it")
            continue
        seen |= names
        yield from found.findings(file, listing)


def parse(data: bytes, path: Path) -> Listing:
    """Parses a JSON file's bytes; `path` is only named in errors. Boxes are the envelopes of the shapes.

    Raises:
        DataError: it is not JSON, or not as VIA writes it.
    """
    document = parsing.json_of(data, path)
    if isinstance(document, dict) and "metadata" in document and "file" in document:
        return via3.parse(document, path)
    numbered = _numbered_options(document) if isinstance(document, dict) else {}
    items = document.get("_via_img_metadata", document) if isinstance(document, dict) else document
    items = list(items.values()) if isinstance(items, dict) else items
    if not isinstance(items, list):
        raise _wrong(path, "has no images")
    problems: list[tuple[str, str]] = []
    images = [_image(item, number, path, problems) for number, item in enumerate(items, 1)]
    return listing_of([_with_names(image, numbered) for image in images] if numbered else images, problems)


def _numbered_options(document: dict[str, Any]) -> dict[str, dict[str, str]]:
    """By attribute, what a project's options with numbers for ids are called."""
    attributes = document.get("_via_attributes")
    attributes = attributes.get("region") if isinstance(attributes, dict) else None
    found = {}
    for name, attribute in attributes.items() if isinstance(attributes, dict) else ():
        options = attribute.get("options") if isinstance(attribute, dict) else None
        named = {
            key: text.strip()
            for key, text in (options.items() if isinstance(options, dict) else ())
            if key.isdecimal() and isinstance(text, str) and text.strip()
        }
        if named:
            found[name] = named
    return found


def _with_names(image: Image, numbered: dict[str, dict[str, str]]) -> Image:
    def value(name: str, given: Any) -> Any:
        options = numbered.get(name, {})
        if isinstance(given, dict):
            return {options.get(key, key): checked for key, checked in given.items()}
        return options.get(str(given), given)

    regions = (
        replace(region, attributes={name: value(name, given) for name, given in region.attributes.items()})
        for region in image.regions
    )
    return replace(image, regions=tuple(regions))


def _image(item: Any, number: int, path: Path, problems: list[tuple[str, str]]) -> Image:
    if not isinstance(item, dict) or not isinstance(item.get("filename"), str) or not item["filename"].strip():
        raise _wrong(path, f"image {number} has no filename")
    name, regions = item["filename"], item.get("regions") or []
    if isinstance(regions, dict):  # version 1 numbers them
        regions = list(regions.values())
    if not isinstance(regions, list):
        raise _wrong(path, f"{name}: regions is neither a list nor numbered")
    found = []
    for position, region in enumerate(regions, start=1):
        if not isinstance(region, dict):
            raise _wrong(path, f"{name}: region {position} is no object")
        made = _region(
            region.get("shape_attributes"), region.get("region_attributes"), f"{name}: region {position}", problems
        )
        if made is not None:
            found.append(made)
    return Image(name, tuple(found))


def _region(shape: Any, attributes: Any, where: str, problems: list[tuple[str, str]]) -> Region | None:
    box, kind, detail = box_of(shape)
    if box is None:
        problems.append((kind, f"{where} {detail}"))
        return None
    return Region(box, attributes if isinstance(attributes, dict) else {}, where, outline_of(shape))


def parse_csv(data: bytes, path: Path) -> Listing:
    """Parses an export's CSV, whose shapes and attributes are JSON in cells; `path` is only named in errors.

    Raises:
        DataError: a column is missing, a row is short, or a cell is no JSON.
    """
    text = parsing.text_of(data, path)
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    images: dict[str, list[Region]] = {}
    problems: list[tuple[str, str]] = []
    try:
        columns = [cell.strip().lstrip("#").strip() for cell in next(rows, [])]
        missing = [name for name in _COLUMNS if name not in columns]
        if missing:
            raise parsing.broken(path, 1, f"no column '{missing[0]}'", "Export the annotations anew as CSV.")
        for row in rows:
            if not any(row):
                continue
            if len(row) != len(columns):
                raise parsing.broken(path, rows.line_num, f"broken CSV: {len(row)} cells, {len(columns)} columns")
            cells = dict(zip(columns, row, strict=True))
            if not (name := cells["filename"].strip()):
                raise parsing.broken(path, rows.line_num, "broken CSV: no filename")
            regions = images.setdefault(name, [])
            shape, attributes = (_cell(cells[column], column, path, rows.line_num) for column in _COLUMNS[1:])
            if not shape and cells.get("region_count", "0").strip() == "0":
                continue  # an image without regions has one row, too
            if (made := _region(shape, attributes, f"line {rows.line_num}", problems)) is not None:
                regions.append(made)
    except csv.Error as error:
        raise parsing.broken(path, rows.line_num or 1, f"broken CSV: {error}") from None
    return listing_of([Image(name, tuple(regions)) for name, regions in images.items()], problems)


def _cell(text: str, column: str, path: Path, line: int) -> Any:
    try:
        return parsing.json_of(text.encode("utf-8", "surrogatepass") or b"{}", path)
    except DataError:
        raise parsing.broken(path, line, f"broken CSV: {column} is no JSON: {text[:60]}") from None


def _wrong(path: Path, what: str) -> DataError:
    return DataError(f"{path}: {what}", "It is JSON, but not as VIA has it. Mend it, or choose with --format.")
