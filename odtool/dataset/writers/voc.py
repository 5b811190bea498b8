"""Pascal VOC: an XML file for each image in Annotations/, the images in JPEGImages/."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from odtool.dataset.writers.annotation_writer import Add, LabelledBox, Labels, WrittenImage, round_corners

_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""https://www.w3.org/TR/xml/#charsets: these cannot be written even as references."""


@contextmanager
def open_writer(folder: Path, _: Labels) -> Iterator[Add]:
    """Writes `Annotations/<stem>.xml`. Corners keep their fractions, as odtool's reader and labelImg take them."""
    annotations = folder / "Annotations"
    annotations.mkdir()

    def add(image: WrittenImage) -> None:
        (annotations / f"{Path(image.name).stem}.xml").write_bytes(_make_document(image))

    yield add


def _make_document(image: WrittenImage) -> bytes:
    from lxml import etree

    root = etree.Element("annotation")
    etree.SubElement(root, "folder").text = "JPEGImages"
    etree.SubElement(root, "filename").text = image.name
    size = etree.SubElement(root, "size")
    for name, value in (("width", image.width), ("height", image.height), ("depth", 3)):
        etree.SubElement(size, name).text = str(value)
    etree.SubElement(root, "segmented").text = "0"
    for box in image.boxes:
        element = etree.SubElement(root, "object")
        for name, text in _list_fields(box):
            etree.SubElement(element, name).text = text
        corners = etree.SubElement(element, "bndbox")
        for name, corner in zip(("xmin", "ymin", "xmax", "ymax"), round_corners(box.box), strict=True):
            etree.SubElement(corners, name).text = str(corner).removesuffix(".0")
    return etree.tostring(root, pretty_print=True)


def _list_fields(box: LabelledBox) -> Iterator[tuple[str, str]]:
    yield "name", _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", box.label)
    yield "pose", "Unspecified"
    yield "truncated", "0"
    yield "difficult", "0"
    if box.score is not None:
        yield "score", f"{box.score:.4f}"
