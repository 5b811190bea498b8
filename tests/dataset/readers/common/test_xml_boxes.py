"""XML of which no object was read: background, or boxes in a form that is not known."""

from __future__ import annotations

import pytest
from lxml import etree

from odtool.dataset.readers.common.xml_boxes import find_unread_boxes

_SIZE = "<filename>a.jpg</filename><size><width>64</width><height>48</height><depth>3</depth></size>"


@pytest.mark.parametrize(
    "inner",
    [
        "",
        _SIZE,
        f"<folder>7</folder>{_SIZE}<segmented>0</segmented><source><database>1</database><x>1</x><y>2</y></source>",
        f"{_SIZE}<object/>",
        f"{_SIZE}<lat>1.5</lat><lon>2.5</lon><altitude>3</altitude><heading>90</heading>",
        f"{_SIZE}<gps><lat>1.5</lat><lon>2.5</lon><altitude>3</altitude><heading>90</heading></gps>",
        "<imagesize><nrows>48</nrows><ncols>64</ncols></imagesize><objects/>",
    ],
)
def test_an_annotation_without_objects_is_background(inner: str) -> None:
    assert find_unread_boxes(etree.fromstring(f"<annotation>{inner}</annotation>")) is None


@pytest.mark.parametrize(
    ("inner", "says"),
    [
        ("<objects><object><points><point>1,2</point><point>3,4</point></points></object></objects>", "<point>"),
        ("<boxes><box xmin='1' ymin='2' xmax='3' ymax='4'/></boxes>", "<box>"),
        ("<items><item><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></item></items>",
         "<xmin>, <ymin>, <xmax>, <ymax>"),
        ("<a><rectangle>1 2 3 4</rectangle></a>", "<rectangle>"),
        ("<object><tree>Larch</tree><damage>C</damage></object>", "1 objects, none with a <name> and a <bndbox>"),
    ],
)  # fmt: skip
def test_what_could_be_boxes_is_named(inner: str, says: str) -> None:
    reason = find_unread_boxes(etree.fromstring(f"<annotation>{_SIZE}{inner}</annotation>"))
    assert reason
    assert says in reason
