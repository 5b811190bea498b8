"""The XML of LabelMe's web tool: Annotations/<folder>/<image>.xml beside Images/<folder>/, with polygons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from odtool.dataset.images import masks
from odtool.dataset.readers.common import parsing
from odtool.dataset.readers.common.lookup import Places, find_own
from odtool.dataset.readers.common.pairs import pair, without_annotation
from odtool.dataset.readers.common.shapes import envelope
from odtool.dataset.readers.common.source_folders import split_within, walk
from odtool.dataset.types import AnnotatedImage, Box, Deferred, Finding, ObjectAnnotation, Problem, Source

if TYPE_CHECKING:
    from lxml.etree import _Element

_SAMPLES = 20
"""XML files a folder that are looked into; the first may have no objects."""


@dataclass(frozen=True)
class LabelmeXml:
    """What one XML file says."""

    filename: str
    size: tuple[int, int] | None
    objects: tuple[ObjectAnnotation, ...]
    problems: tuple[tuple[str, str], ...]
    """Kind and detail of each."""


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as LabelMe's XML, or None."""
    if path.is_file():
        return f"{path.name} is an <annotation> with polygons" if _looks_like(path) else None
    for folder in walk(path):
        for file in folder.ending(".xml")[:_SAMPLES]:
            if _looks_like(file):
                return f"{file} is an <annotation> with polygons"
    return None


def _looks_like(path: Path) -> bool:
    """Pascal VOC has the same root; some of its writers add polygons to the boxes."""
    if path.suffix.lower() != ".xml":
        return False
    text = parsing.ends(path)
    if b"<annotation" not in text or b"<annotations" in text or b"<bndbox" in text:
        return False
    return b"<pt>" in text or b"<segm>" in text or b"<sourceAnnotation>LabelMe" in text


def read(source: Source) -> Iterator[Finding]:
    """Every XML file with its image; images without one have not been annotated and are counted."""
    if source.path.is_file():
        files = [source.path]
    else:
        files = [file for folder in walk(source.root) for file in folder.ending(".xml")]
    pairs = pair(files, source, ["Images", "images"])
    for folder, there in pairs.files.items():
        split = split_within(folder, source.root)
        for file in there:
            yield Deferred(parse_file, (file, split, pairs.places[folder], source.root, source.masks))
    if source.path.is_dir():
        yield from without_annotation(pairs)


def parse_file(
    path: Path, split: str | None, places: Places, root: Path, with_outlines: bool
) -> Iterator[AnnotatedImage | Problem]:
    """One XML file, its image looked for in `places`."""
    parsed = parse(parsing.read_bytes(path), path, with_outlines=with_outlines)
    if parsed is None:
        yield Problem("file_skipped", path, "its root is not <annotation>")
        return
    for kind, detail in parsed.problems:
        yield Problem(kind, path, detail)
    found = find_own(parsed.filename, path, places, within=root)
    if found.outside:
        yield Problem("path_outside", path, f"'{parsed.filename}' leads outside {root}")
    if found.by_file:
        yield Problem("filename_mismatch", path, f"says '{parsed.filename}', but {found.path.name} has its name")
    yield AnnotatedImage(found.path, path, parsed.objects, split=split, declared_size=parsed.size, match=found.match)


def parse(data: bytes, path: Path, *, with_outlines: bool = False) -> LabelmeXml | None:
    """Parses an XML file's bytes; None where its root is another one. `path` is only named in errors.

    Raises:
        DataError: broken XML, or a coordinate that is no number.
    """
    root = parsing.xml_of(data, path)
    if root.tag != "annotation":
        return None
    problems: list[tuple[str, str]] = []
    objects = []
    for element in root.iterchildren("object"):
        label = _text(element, "name")
        where = f"object at line {element.sourceline} ({label or 'no name'})"
        if _text(element, "deleted") in ("1", "yes"):
            problems.append(("object_ignored", f"{where} is marked as deleted"))
        elif not label:
            problems.append(("label_missing", f"{where} has no name"))
        elif (box := _box(element, path)) is None:
            problems.append(("box_missing", f"{where} has neither a polygon nor a box"))
        else:
            outline = masks.polygon(_corners(element, path)) if with_outlines else None
            occluded = _text(element, "occluded") in ("1", "yes")
            objects.append(ObjectAnnotation(label, box, occluded=occluded, outline=outline))
    return LabelmeXml(_text(root, "filename"), _size(root), tuple(objects), tuple(problems))


def _box(element: _Element, path: Path) -> Box | None:
    """The envelope of the polygon, or the box of a mask drawn with scribbles."""
    segment = element.find("segm/box")
    if segment is not None:
        return Box(*(_number(segment, name, path) for name in ("xmin", "ymin", "xmax", "ymax")))
    points = _corners(element, path)
    if len(points) < 2:
        return None
    return envelope(points)


def _corners(element: _Element, path: Path) -> list[tuple[float, float]]:
    return [(_number(point, "x", path), _number(point, "y", path)) for point in element.iterfind("polygon/pt")]


def _number(element: _Element, name: str, path: Path) -> float:
    text = _text(element, name)
    try:
        return float(text)
    except ValueError:
        line = element.sourceline if isinstance(element.sourceline, int) else 1
        raise parsing.broken(path, line, f"{name} is '{text[:60]}', not a number") from None


def _text(element: _Element, name: str) -> str:
    """The web tool writes line breaks around values."""
    return (element.findtext(name) or "").strip()


def _size(root: _Element) -> tuple[int, int] | None:
    """Some files have none."""
    try:
        width, height = int(_text(root, "imagesize/ncols")), int(_text(root, "imagesize/nrows"))
    except ValueError:
        return None
    return (width, height) if width > 0 and height > 0 else None
