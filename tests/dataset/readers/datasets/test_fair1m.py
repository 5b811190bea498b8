"""FAIR1M: turned boxes below <objects>, with the class in <possibleresult>."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers import format_choice
from odtool.dataset.readers.datasets import fair1m
from odtool.dataset.types import Box, Source
from odtool.errors import DataError

# As FAIR1M 2.0 has it (part1/labelXml/0.xml), with fewer objects.
TEXT = """<?xml version="1.0" encoding="utf-8"?>
<annotation>
  <source><filename>0.tif</filename><origin>GF2/GF3</origin></source>
  <research><version>1.0</version><provider>FAIR1M</provider><author>Cyber</author><pluginname>FAIR1M</pluginname>
    <pluginclass>object detection</pluginclass><time>2021-07-21</time></research>
  <size><width>64</width><height>48</height><depth>3</depth></size>
  <objects>
    <object><coordinate>pixel</coordinate><type>rectangle</type><description>None</description>
      <possibleresult><name>Boeing737</name></possibleresult>
      <points><point>10.000000,5.000000</point><point>30.500000,8.000000</point><point>28.000000,20.000000</point>
        <point>8.000000,17.000000</point><point>10.000000,5.000000</point></points></object>{more}
  </objects>
</annotation>"""


@pytest.fixture
def write_set(tmp_path: Path, write_image: Callable[..., Path]) -> Callable[..., Path]:
    def write(more: str = "") -> Path:
        write_image(tmp_path / "part1" / "images" / "0.tif")
        (tmp_path / "part1" / "labelXml").mkdir()
        (tmp_path / "part1" / "labelXml" / "0.xml").write_text(TEXT.replace("{more}", more))
        return tmp_path

    return write


def test_a_set_is_seen_and_its_boxes_are_the_envelopes(write_set: Callable[..., Path], found: Any) -> None:
    source = Source(write_set(), masks=True)
    (choice,) = format_choice.choose(source)
    assert choice.name == "fair1m"
    (image,), problems = found(choice.reader.read, source)
    assert image.path == source.root / "part1" / "images" / "0.tif"
    assert image.declared_size == (64, 48)
    (item,) = image.objects
    assert (item.label, item.box) == ("Boeing737", Box(8, 5, 30.5, 20))
    assert item.outline is not None
    assert item.outline.polygons[0][:4] == (10, 5, 30.5, 8)
    assert problems == []


def test_objects_that_lack_something_are_counted(write_set: Callable[..., Path], found: Any) -> None:
    nameless = "<object><points><point>1,1</point><point>2,1</point><point>2,2</point></points></object>"
    placeless = "<object><possibleresult><name>Ship</name></possibleresult><points/></object>"
    broken = placeless.replace("<points/>", "<points><point>1;1</point></points>")
    (image,), problems = found(fair1m.read, Source(write_set(nameless + placeless + broken)))
    assert len(image.objects) == 1
    assert [problem.kind for problem in problems] == ["label_missing", "box_missing", "record_broken"]


def test_broken_xml_is_refused() -> None:
    with pytest.raises(DataError, match=r"a\.xml:1: broken XML"):
        fair1m.parse(b"<annotation", Path("a.xml"))
