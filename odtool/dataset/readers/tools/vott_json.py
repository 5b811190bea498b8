"""VoTT JSON: one NAME-asset.json an image, or an export with all of them under `assets`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from odtool.dataset.readers.common import parsing, shapes, values
from odtool.dataset.readers.common.image_lists import Entry, Listing, documents_of, first_like, locate, spellings
from odtool.dataset.readers.common.lookup import Places
from odtool.dataset.types import AnnotatedImage, Box, Deferred, Finding, ObjectAnnotation, Problem, Source
from odtool.errors import DataError

_ASSET = "-asset.json"
_NOT_VISITED = 0
"""AssetState of VoTT's models/applicationState.ts: nobody has looked at the image."""


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as VoTT's, or None."""
    found = first_like(path, ".json", _looks_like)
    return f"{found} has VoTT's assets and regions" if found else None


def _looks_like(path: Path) -> bool:
    """An asset begins with "asset"; an export names its assets and their regions."""
    if path.suffix.lower() not in (".json", ".vott"):
        return False
    text = parsing.ends(path)
    opening = b"".join(text[:100].split()).lstrip(b"\xef\xbb\xbf")
    return opening.startswith(b'{"asset":{') or (b'"assets"' in text and b'"regions"' in text and b'"asset"' in text)


def read(source: Source) -> Iterator[Finding]:
    """Every asset of the exports; where there is no export, of the asset files."""
    found = documents_of(source, ".json", _looks_like)
    assets = [file for file in found.files if file.name.endswith(_ASSET)]
    exports = [file for file in found.files if file not in set(assets)]
    if exports and assets:
        yield Problem("file_skipped", assets[0].parent, f"{len(assets)} asset files, as {exports[0].name} has them all")
        assets = []
    for file in exports:
        yield from found.findings(file, parse(parsing.read_bytes(file), file))
    places: dict[Path, Places] = {}
    for file in assets:
        if file.parent not in places:
            places[file.parent] = found.places(file)
        yield Deferred(parse_file, (file, places[file.parent], found.split(file), source.root))


def parse_file(path: Path, places: Places, split: str | None, root: Path) -> Iterator[AnnotatedImage | Problem]:
    """One asset file, its image looked for in `places`."""
    listing = parse(parsing.read_bytes(path), path)
    for kind, detail in listing.problems:
        yield Problem(kind, path, detail)
    for entry in listing.entries:
        found = locate(entry.names, places, within=root)
        if found.outside:
            yield Problem("path_outside", path, f"'{entry.names[0]}' leads outside {root}")
        yield AnnotatedImage(found.path, path, entry.objects, split=split, declared_size=entry.size, match=found.match)


def parse(data: bytes, path: Path) -> Listing:
    """Parses an asset file's or an export's bytes; `path` is only named in errors.

    Raises:
        DataError: it is not JSON, or not as VoTT writes it.
    """
    document = parsing.json_of(data, path)
    if not isinstance(document, dict):
        raise _wrong(path, "is no object")
    if "asset" in document:
        assets = [document]
    elif isinstance(document.get("assets"), dict):
        assets = list(document["assets"].values())
    elif isinstance(document.get("assets"), list):
        assets = document["assets"]
    else:
        raise _wrong(path, "has neither 'asset' nor 'assets'")
    problems: list[tuple[str, str]] = []
    entries = [entry for asset in assets if (entry := _entry(asset, path, problems)) is not None]
    return Listing(tuple(entries), tuple(problems))


def _entry(item: Any, path: Path, problems: list[tuple[str, str]]) -> Entry | None:
    asset = item.get("asset") if isinstance(item, dict) else None
    regions = item.get("regions") or [] if isinstance(item, dict) else None
    if not isinstance(asset, dict) or not isinstance(regions, list):
        raise _wrong(path, f"an asset without 'asset' and a list 'regions': {str(item)[:80]}")
    references = [asset[key] for key in ("name", "path") if isinstance(asset.get(key), str) and asset[key].strip()]
    if not references:
        raise _wrong(path, f"an asset without name and path: {str(asset)[:80]}")
    name = references[0]
    if not regions and asset.get("state") == _NOT_VISITED:
        problems.append(("annotation_missing", f"{name} has not been visited"))
        return None
    objects: list[ObjectAnnotation] = []
    for number, region in enumerate(regions, start=1):
        objects.extend(_objects(region, f"{name}: region {number}", path, problems))
    names = dict.fromkeys(spelling for reference in references for spelling in spellings(reference))
    return Entry(tuple(names), tuple(objects), _size(asset.get("size")))


def _objects(region: Any, where: str, path: Path, problems: list[tuple[str, str]]) -> Iterator[ObjectAnnotation]:
    """One object for each tag of a region."""
    if not isinstance(region, dict):
        raise _wrong(path, f"{where} is no object")
    given = region.get("tags")
    tags = [tag.strip() for tag in given if isinstance(tag, str) and tag.strip()] if isinstance(given, list) else []
    box = _box(region)
    if not tags:
        problems.append(("label_missing", f"{where} has no tag"))
    elif box is None:
        problems.append(("box_missing", f"{where} ({tags[0]}) has neither a boundingBox nor points"))
    else:
        if len(tags) > 1:
            problems.append(("labels_several", f"{where} has the tags {', '.join(tags)}"))
        yield from (ObjectAnnotation(tag, box) for tag in tags)


def _box(region: dict[str, Any]) -> Box | None:
    if (found := values.fields(region.get("boundingBox"), "left", "top", "width", "height")) is not None:
        left, top, width, height = found
        return Box(left, top, left + width, top + height)
    corners = values.points(region.get("points"))
    return shapes.envelope(corners) if corners else None


def _size(size: Any) -> tuple[int, int] | None:
    return values.size(size.get("width"), size.get("height")) if isinstance(size, dict) else None


def _wrong(path: Path, what: str) -> DataError:
    return DataError(f"{path}: {what}", "It is JSON, but not as VoTT has it. Mend it, or choose with --format.")
