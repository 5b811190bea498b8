"""The XML of LabelMe's web tool: Annotations/<folder>/<image>.xml beside Images/<folder>/, with polygons."""

from __future__ import annotations

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
from odtool.dataset.types import AnnotatedImage, Box, Finding, ObjectAnnotation, Problem, Source

if TYPE_CHECKING:
    from lxml.etree import _Element


_OTHERS = (b"<bndbox", b"<robndbox", b"<annotations", b"<possibleresult")
"""What Pascal VOC's, CVAT's and FAIR1M's files have, and LabelMe's do not."""


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as LabelMe's XML, or None."""
    return find_evidence(path, ".xml", _looks_like, "is an <annotation> with polygons")


def _looks_like(path: Path) -> bool:
    """Pascal VOC has the same root; some of its writers add polygons to the boxes."""
    if path.suffix.lower() != ".xml":
        return False
    text = input_files.read_ends(path)
    if b"<annotation" not in text or b"<annotations" in text or b"<bndbox" in text:
        return False
    return b"<pt>" in text or b"<segm>" in text or b"<sourceAnnotation>LabelMe" in text


def read(source: Source) -> Iterator[Finding]:
    """Every XML file with its image; images without one have not been annotated and are counted."""
    files = find_annotation_files(source, ".xml", _is_of_format)
    yield from defer_pairs(files, source, ["Images", "images"], parse_file)


def _is_of_format(path: Path) -> bool:
    """Whether an XML file is LabelMe's, perhaps one without an object, or broken; Pascal VOC may lie beside it."""
    return _looks_like(path) or not any(mark in input_files.read_ends(path) for mark in _OTHERS)


def parse_file(
    path: Path, split: str | None, places: Places, root: Path, with_outlines: bool
) -> Iterator[AnnotatedImage | Problem]:
    """One XML file, its image looked for in `places`."""
    content = parse(input_files.read_bytes(path), path, with_outlines=with_outlines)
    if content is None:
        yield Problem("file_skipped", path, "its root is not <annotation>")
        return
    image = find_own_image(content.filename, path, places, within=root)
    yield from describe_pair(content, path, split, image, root)


def parse(data: bytes, path: Path, *, with_outlines: bool = False) -> AnnotationFile | None:
    """Parses an XML file's bytes; None where its root is another one. `path` is only named in errors.

    Raises:
        DataError: broken XML, or a coordinate that is no number.
    """
    root = parsing.parse_xml(data, path)
    if root.tag != "annotation":
        return None
    problems: list[tuple[str, str]] = []
    skipping, objects = Skipping(problems), list[ObjectAnnotation]()
    for element in root.iterchildren("object"):
        with skipping:
            label = _get_text(element, "name")
            where = f"object at line {element.sourceline} ({label or 'no name'})"
            if _get_text(element, "deleted") in ("1", "yes"):
                problems.append(("object_ignored", f"{where} is marked as deleted"))
            elif not label:
                problems.append(("label_missing", f"{where} has no name"))
            elif (box := _parse_box(element, path)) is None:
                problems.append(("box_missing", f"{where} has neither a polygon nor a box"))
            else:
                outline = masks.make_polygon(_parse_corners(element, path)) if with_outlines else None
                occluded = _get_text(element, "occluded") in ("1", "yes")
                objects.append(ObjectAnnotation(label, box, occluded=occluded, outline=outline))
    return AnnotationFile(_get_text(root, "filename"), _parse_size(root), tuple(objects), tuple(problems))


def _parse_box(element: _Element, path: Path) -> Box | None:
    """The envelope of the polygon, or the box of a mask drawn with scribbles."""
    segment = element.find("segm/box")
    if segment is not None:
        return Box(*(_parse_number(segment, name, path) for name in ("xmin", "ymin", "xmax", "ymax")))
    points = _parse_corners(element, path)
    if len(points) < 2:
        return None
    return enclose_points(points)


def _parse_corners(element: _Element, path: Path) -> list[tuple[float, float]]:
    return [
        (_parse_number(point, "x", path), _parse_number(point, "y", path)) for point in element.iterfind("polygon/pt")
    ]


def _parse_number(element: _Element, name: str, path: Path) -> float:
    text = _get_text(element, name)
    try:
        return float(text)
    except ValueError:
        raise parsing.line_error(path, parsing.get_line(element), f"{name} is '{text[:60]}', not a number") from None


def _get_text(element: _Element, name: str) -> str:
    """The web tool writes line breaks around values."""
    return (element.findtext(name) or "").strip()


def _parse_size(root: _Element) -> tuple[int, int] | None:
    """Some files have none."""
    try:
        width, height = int(_get_text(root, "imagesize/ncols")), int(_get_text(root, "imagesize/nrows"))
    except ValueError:
        return None
    return (width, height) if width > 0 and height > 0 else None
