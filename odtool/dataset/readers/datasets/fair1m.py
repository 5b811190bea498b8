"""FAIR1M: one XML file an image, as Pascal VOC but for its objects, which lie turned and have their class elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from odtool.dataset.images import masks
from odtool.dataset.readers.common import parsing
from odtool.dataset.readers.common.annotation_files import find_annotation_files, find_evidence
from odtool.dataset.readers.common.faults import Skipping
from odtool.dataset.readers.common.lookup import Places, find_own_image
from odtool.dataset.readers.common.pairs import AnnotationFile, defer_pairs, describe_pair
from odtool.dataset.readers.common.shapes import enclose_points
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.types import AnnotatedImage, Finding, ObjectAnnotation, Problem, Source

if TYPE_CHECKING:
    from lxml.etree import _Element

_ROOT = re.compile(rb"<annotation[\s>]")


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as FAIR1M, or None."""
    return find_evidence(path, ".xml", _looks_like, "is an <annotation> with <objects> and their <possibleresult>")


def _looks_like(path: Path) -> bool:
    if path.suffix.lower() != ".xml":
        return False
    text = input_files.read_ends(path)
    return bool(_ROOT.search(text)) and b"<possibleresult" in text and b"<points" in text


def read(source: Source) -> Iterator[Finding]:
    """Every XML file with its image."""
    files = find_annotation_files(source, ".xml", _looks_like)
    yield from defer_pairs(files, source, ["images", "Images", "image"], parse_file)


def parse_file(
    path: Path, split: str | None, places: Places, root: Path, with_outlines: bool
) -> Iterator[AnnotatedImage | Problem]:
    """One XML file, its image looked for in `places`."""
    annotation = parse(input_files.read_bytes(path), path, with_outlines=with_outlines)
    image = find_own_image(annotation.filename, path, places, within=root, by_file=True)
    yield from describe_pair(annotation, path, split, image, root)


def parse(data: bytes, path: Path, *, with_outlines: bool = False) -> AnnotationFile:
    """Parses an XML file's bytes; `path` is only named in errors. Boxes are the envelopes of the turned ones.

    Raises:
        AnnotationError: broken XML. Objects with a coordinate that is no number are problems.
    """
    root = parsing.parse_xml(data, path)
    problems: list[tuple[str, str]] = []
    objects = []
    skipping = Skipping(problems)
    for number, element in enumerate(root.iterfind("objects/object"), start=1):
        with skipping:
            where = f"object {number} (line {element.sourceline})"
            label = (element.findtext("possibleresult/name") or "").strip()
            points = [_parse_point(point, path) for point in element.iterfind("points/point")]
            if not label:
                problems.append(("label_missing", f"{where} has no possibleresult with a name"))
            elif len(points) < 3:
                problems.append(("box_missing", f"{where}, {label}, has {len(points)} points"))
            else:
                outline = masks.make_polygon(points) if with_outlines else None
                objects.append(ObjectAnnotation(label, enclose_points(points), outline=outline, enclosed=True))
    filename = (root.findtext("source/filename") or root.findtext("filename") or "").strip()
    return AnnotationFile(filename, _parse_size(root), tuple(objects), tuple(problems))


def _parse_point(element: _Element, path: Path) -> tuple[float, float]:
    text = (element.text or "").strip()
    try:
        x, y = map(float, text.split(","))
    except ValueError:
        line = parsing.get_line(element)
        raise parsing.line_error(path, line, f"a point is '{text[:60]}', not two numbers") from None
    return x, y


def _parse_size(root: _Element) -> tuple[int, int] | None:
    texts = root.findtext("size/width") or "", root.findtext("size/height") or ""
    width, height = (int(text) if text.strip().isdecimal() else 0 for text in texts)
    return (width, height) if width and height else None
