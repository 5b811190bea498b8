"""VoTT JSON: one NAME-asset.json an image, or an export with all of them under `assets`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from odtool.dataset.readers.common import faults, parsing, shapes, values
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.faults import Skipping
from odtool.dataset.readers.common.image_lists import (
    ImageEntry,
    Listing,
    describe_listing,
    find_documents,
    list_spellings,
    read_long_document,
)
from odtool.dataset.readers.common.lookup import Places
from odtool.dataset.readers.common.source_folders import find_file_split
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.common.streams.json_document import JsonDocument
from odtool.dataset.readers.common.streams.overflow import LongList, Overflow
from odtool.dataset.types import AnnotatedImage, Box, Deferred, Finding, ObjectAnnotation, Problem, Source

_TOOL = "VoTT"
KEYS = ("asset", "assets")
_ASSET = "-asset.json"
_SIDES = ("left", "top", "width", "height")
_NOT_VISITED = 0
"""AssetState of VoTT's models/applicationState.ts: nobody has looked at the image."""


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as VoTT's, or None."""
    return find_evidence(path, ".json", _looks_like, "has VoTT's assets and regions")


def _looks_like(path: Path) -> bool:
    """An asset begins with "asset"; an export names its assets and their regions."""
    if path.suffix.lower() not in (".json", ".vott"):
        return False
    text = input_files.read_ends(path)
    opening = b"".join(text[:100].split()).lstrip(b"\xef\xbb\xbf")
    return opening.startswith(b'{"asset":{') or (b'"assets"' in text and b'"regions"' in text and b'"asset"' in text)


def read(source: Source) -> Iterator[Finding]:
    """Every asset of the exports; where there is no export, of the asset files."""
    documents = find_documents(source, ".json", _looks_like)
    assets = [file for file in documents.files if file.name.endswith(_ASSET)]
    exports = [file for file in documents.files if file not in set(assets)]
    if exports and assets:
        yield Problem("file_skipped", assets[0].parent, f"{len(assets)} asset files; {exports[0].name} has them all")
        assets = []
    for file in exports:
        yield from faults.report_broken(read_long_document, documents, file, parse, KEYS)
    places: dict[Path, Places] = {}
    for file in assets:
        if file.parent not in places:
            places[file.parent] = documents.find_places(file)
        yield Deferred(parse_file, (file, places[file.parent], find_file_split(file, source), source))


def parse_file(path: Path, places: Places, split: str | None, source: Source) -> Iterator[AnnotatedImage | Problem]:
    """One asset file, its image looked for in `places`."""
    with closing(Overflow()) as overflow:
        document = JsonDocument.of_bytes(input_files.read_bytes(path), path, KEYS)
        yield from describe_listing(parse(document, overflow), path, places, split, source)


def parse(document: JsonDocument, overflow: Overflow) -> Listing:
    """The images of an asset file or an export.

    Raises:
        DataError: it is not as VoTT writes it.
    """
    path, is_list = document.path, document.is_list("assets") or document.is_object("assets")
    if not document.is_object():
        raise parsing.unexpected_json(_TOOL, path, "is not an object")
    if "asset" not in document and not is_list:
        raise parsing.unexpected_json(_TOOL, path, "has neither 'asset' nor 'assets'")
    problems, entries = LongList[tuple[str, str]](overflow), LongList[ImageEntry](overflow)
    for asset in [document.load()] if "asset" in document else document.iterate("assets"):
        own: list[tuple[str, str]] = []
        with Skipping(own):
            entry = _parse_entry(asset, path, own)
            if entry is not None and not faults.is_nothing_left(entry.objects, own):
                entries.append(entry, 1 + len(entry.objects))
        for problem in own:
            problems.append(problem)
    return Listing(entries, problems)


def _parse_entry(item: Any, path: Path, problems: list[tuple[str, str]]) -> ImageEntry | None:
    asset = item.get("asset") if isinstance(item, dict) else None
    regions = item.get("regions") or [] if isinstance(item, dict) else None
    if not isinstance(asset, dict) or not isinstance(regions, list):
        raise parsing.unexpected_json(_TOOL, path, f"an asset without 'asset' and a list 'regions': {str(item)[:80]}")
    references = [asset[key] for key in ("name", "path") if isinstance(asset.get(key), str) and asset[key].strip()]
    if not references:
        raise parsing.unexpected_json(_TOOL, path, f"an asset without name and path: {str(asset)[:80]}")
    name = references[0]
    if not regions and asset.get("state") == _NOT_VISITED:
        problems.append(("annotation_missing", f"{name} has not been visited"))
        return None
    skipping, objects = Skipping(problems), list[ObjectAnnotation]()
    for number, region in enumerate(regions, start=1):
        with skipping:
            objects.extend(_parse_objects(region, f"{name}: region {number}", path, problems))
    names = dict.fromkeys(spelling for reference in references for spelling in list_spellings(reference))
    return ImageEntry(tuple(names), tuple(objects), _parse_size(asset.get("size")))


def _parse_objects(region: Any, where: str, path: Path, problems: list[tuple[str, str]]) -> Iterator[ObjectAnnotation]:
    """One object for each tag of a region."""
    if not isinstance(region, dict):
        raise parsing.unexpected_json(_TOOL, path, f"{where} is not an object")
    tag_list = region.get("tags")
    tags = (
        [tag.strip() for tag in tag_list if isinstance(tag, str) and tag.strip()] if isinstance(tag_list, list) else []
    )
    box = _parse_box(region)
    if box is None:
        values.refuse_words(region.get("boundingBox"), _SIDES, where, path)
        values.refuse_words(region, ("points",), where, path)
    if not tags:
        problems.append(("label_missing", f"{where} has no tag"))
    elif box is None:
        problems.append(("box_missing", f"{where} ({tags[0]}) has neither a boundingBox nor points"))
    else:
        if len(tags) > 1:
            problems.append(("labels_several", f"{where} has the tags {', '.join(tags)}"))
        yield from (ObjectAnnotation(tag, box) for tag in tags)


def _parse_box(region: dict[str, Any]) -> Box | None:
    if (sides := values.parse_fields(region.get("boundingBox"), *_SIDES)) is not None:
        left, top, width, height = sides
        return Box(left, top, left + width, top + height)
    corners = values.parse_points(region.get("points"))
    return shapes.enclose_points(corners) if corners else None


def _parse_size(size: Any) -> tuple[int, int] | None:
    return values.parse_size(size.get("width"), size.get("height")) if isinstance(size, dict) else None
