"""What four numbers of a box may mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from odtool.dataset.dialects import DIALECTS, LAYOUTS, Reading, make_box, narrow, parse_reading, recover_numbers, reread
from odtool.dataset.types import AnnotatedImage, Box, Keypoint, ObjectAnnotation, Outline

NUMBERS = (30.0, 20.0, 10.0, 8.0)


@pytest.mark.parametrize(
    ("layout", "box"),
    [("xyxy", Box(30, 20, 10, 8)), ("xywh", Box(30, 20, 40, 28)), ("cxcywh", Box(25, 16, 35, 24))],
)
def test_a_layout_makes_a_box_of_four_numbers_and_gives_them_back(layout: str, box: Box) -> None:
    assert make_box(NUMBERS, layout) == box  # type: ignore[arg-type]  # of literals
    assert recover_numbers(box, layout) == NUMBERS  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("xyxy", Reading("xyxy")),
        ("cxcywh-percent", Reading("cxcywh", "percent")),
        ("xywh-fractions", Reading("xywh", "fractions")),
    ],
)
def test_a_reading_is_named_as_the_option_has_it(text: str, reading: Reading) -> None:
    assert parse_reading(text) == reading
    assert reading.name == text


@pytest.mark.parametrize("text", ["", "xy", "xyxy-", "xyxy-pixel", "yxyx", "XYXY"])
def test_any_other_name_is_refused_with_those_that_there_are(text: str) -> None:
    with pytest.raises(ValueError, match="none of xyxy, xywh, cxcywh"):
        parse_reading(text)


def test_what_the_user_names_leaves_only_the_scale_open() -> None:
    assert narrow(DIALECTS["yolo"], Reading("xyxy")) == tuple(
        Reading("xyxy", scale) for scale in ("fractions", "pixels", "percent")
    )
    assert narrow(DIALECTS["yolo"], Reading("xyxy", "pixels")) == (Reading("xyxy", "pixels"),)
    assert narrow(DIALECTS["createml"], Reading("xyxy")) == (Reading("xyxy"),)


def test_an_image_is_read_otherwise_but_for_envelopes_of_shapes() -> None:
    shape = ObjectAnnotation("cat", Box(1, 2, 3, 4), enclosed=True)
    image = AnnotatedImage(Path("a.jpg"), Path("a.json"), (ObjectAnnotation("dog", Box(30, 20, 40, 28)), shape))
    read = reread(image, Reading("xywh"), Reading("xyxy"))
    assert [item.box for item in read.objects] == [Box(30, 20, 10, 8), Box(1, 2, 3, 4)]
    assert reread(image, Reading("xywh"), Reading("xywh")) is image


def test_percent_is_fractions_of_a_hundred_with_outlines_and_keypoints() -> None:
    item = ObjectAnnotation(
        "cat",
        Box(10, 20, 30, 40),
        outline=Outline(polygons=((10, 20, 30, 20, 30, 40),)),
        keypoints=(Keypoint(10, 20, 2),),
    )
    image = AnnotatedImage(Path("a.jpg"), Path("a.txt"), (item,), "fraction")
    (read,) = reread(image, Reading("xyxy", "fractions"), Reading("xyxy", "percent")).objects
    assert read.box == Box(0.1, 0.2, 0.3, 0.4)
    assert read.outline
    assert read.outline.polygons == ((0.1, 0.2, 0.3, 0.2, 0.3, 0.4),)
    assert read.keypoints == (Keypoint(0.1, 0.2, 2),)
    assert reread(image, Reading("xyxy", "fractions"), Reading("xyxy", "pixels")).unit == "pixel"


def test_each_dialect_has_readings_that_differ() -> None:
    for dialect in DIALECTS.values():
        assert len(set(dialect.readings)) == len(dialect.readings) > 1
        assert {reading.layout for reading in dialect.readings} <= set(LAYOUTS)
