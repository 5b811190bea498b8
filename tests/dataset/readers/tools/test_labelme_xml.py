"""The XML of LabelMe's web tool."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.readers.common.pairs import AnnotationFile
from odtool.dataset.readers.datasets import voc
from odtool.dataset.readers.tools import labelme_xml
from odtool.dataset.types import Box, ObjectAnnotation, Source
from odtool.errors import DataError

PATH = Path("a.xml")
POLYGON = "<polygon><username>u</username><pt><x>3</x><y>9</y></pt><pt><x>\n1\n</x><y>4</y></pt></polygon>"
SEGMENT = "<segm><box><xmin>5</xmin><ymin>6</ymin><xmax>7</xmax><ymax>8</ymax></box><mask>m.png</mask></segm>"


def drawn(shape: str, name: str = "\ncat\n", extra: str = "<deleted>0</deleted>") -> str:
    return f"<object><name>{name}</name>{extra}{shape}</object>"


def document(*objects: str) -> str:
    size = "<imagesize><nrows>77</nrows><ncols>102</ncols></imagesize>"
    return f"<annotation><filename>\na.jpg\n</filename><folder>x</folder>{''.join(objects)}{size}</annotation>"


def parse(*objects: str) -> AnnotationFile:
    parsed = labelme_xml.parse(document(*objects).encode(), PATH)
    assert parsed is not None
    return parsed


def test_polygons_and_masks_are_read_as_the_boxes_around_them() -> None:
    parsed = parse(drawn(POLYGON), drawn(SEGMENT, "dog", "<occluded>yes</occluded>"))
    assert parsed.objects == (
        ObjectAnnotation("cat", Box(1, 4, 3, 9)),
        ObjectAnnotation("dog", Box(5, 6, 7, 8), occluded=True),
    )
    assert (parsed.filename, parsed.size) == ("a.jpg", (102, 77))


def test_polygons_are_masks_where_masks_are_asked_for() -> None:
    text = document(drawn(POLYGON.replace("</polygon>", "<pt><x>9</x><y>9</y></pt></polygon>"))).encode()
    found = labelme_xml.parse(text, PATH, with_outlines=True)
    assert found is not None
    outline = found.objects[0].outline
    assert outline is not None
    assert outline.polygons[0][-2:] == (9, 9)


def test_deleted_and_unusable_objects_are_counted() -> None:
    parsed = parse(drawn(POLYGON, extra="<deleted>1</deleted>"), drawn(POLYGON, " "), drawn(""), drawn(SEGMENT))
    assert len(parsed.objects) == 1
    assert [kind for kind, _ in parsed.problems] == ["object_ignored", "label_missing", "box_missing"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<annotation>\n<object>", "a.xml:2: broken XML"),
        (document("\n" + drawn(POLYGON.replace("4", "x"))), "a.xml:6: y is 'x', not a number"),
        (document(drawn(SEGMENT.replace("<ymin>6</ymin>", ""))), "ymin is '', not a number"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><annotation/>", "document type is refused"),
    ],
)
def test_broken_documents_are_named(text: str, says: str, fault: Any) -> None:
    assert says in fault(lambda _: labelme_xml.parse(text.encode(), PATH), PATH)


def test_another_root_is_skipped() -> None:
    assert labelme_xml.parse(b"<annotations/>", PATH) is None


def test_the_real_set(shared_data: Path, found: Any) -> None:
    images, problems = found(labelme_xml.read, Source(shared_data / "formats/labelme_dataset"))
    (image,) = images
    objects = image.objects
    assert image.path.relative_to(shared_data).as_posix() == "formats/labelme_dataset/Images/subset1/img1.png"
    assert [item.label for item in objects] == ["window", "license plate", "o1", "q1", "b1", "m1", "hg"]
    assert [item.label for item in objects if item.occluded] == ["o1", "b1"]
    assert objects[0].box == Box(43, 34, 45, 37)
    assert objects[5].box == Box(56, 14, 70, 23)
    assert {(problem.kind, problem.file.parent.name) for problem in problems} == {
        ("file_skipped", "Masks"),
        ("file_skipped", "Scribbles"),
    }


def test_voc_with_polygons_beside_its_boxes_is_voc(tmp_path: Path) -> None:
    box = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox>"
    (tmp_path / "a.xml").write_text(document(drawn(POLYGON + box)))
    assert labelme_xml.detect(tmp_path) is None
    assert voc.detect(tmp_path)
    (tmp_path / "a.xml").write_text(document(drawn(POLYGON)))
    assert labelme_xml.detect(tmp_path)
    assert voc.detect(tmp_path) is None


@given(st.data())
def test_any_document_gives_objects_or_a_data_error(mutated: Any, data: st.DataObject) -> None:
    with suppress(DataError):
        labelme_xml.parse(data.draw(mutated(document(drawn(POLYGON), drawn(SEGMENT)))), PATH)
