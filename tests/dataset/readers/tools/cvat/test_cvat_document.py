"""CVAT's XML 1.1 as data."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.images import masks
from odtool.dataset.readers.tools.cvat import cvat_document
from odtool.dataset.readers.tools.cvat.cvat_document import CvatImage, Task, Track
from odtool.dataset.types import Box, ObjectAnnotation, Outline
from odtool.errors import DataError

PATH = Path("annotations.xml")
BOX = '<box label="cat" xtl="1" ytl="2" xbr="30" ybr="40" occluded="0"/>'
META = (
    "<meta><task><id>5</id><name>v</name><subset>Train</subset><start_frame>10</start_frame>"
    "<stop_frame>19</stop_frame></task></meta>"
)


def document(*content: str) -> str:
    return f"<?xml version='1.0'?>\n<annotations><version>1.1</version>\n{''.join(content)}</annotations>"


def image(*shapes: str) -> str:
    return f'<image id="0" name="a.jpg" subset="Train" width="64" height="48">{"".join(shapes)}</image>\n'


def key(frame: int, corners: tuple[float, ...], more: str = "", outside: int = 0) -> str:
    xtl, ytl, xbr, ybr = corners
    return (
        f'<box frame="{frame}" outside="{outside}" occluded="0" keyframe="1" xtl="{xtl}" ytl="{ytl}" xbr="{xbr}" '
        f'ybr="{ybr}" {more}/>\n'
    )


def track(*shapes: str, label: str = "cat") -> str:
    return f'<track id="0" label="{label}" task_id="5">\n{"".join(shapes)}</track>\n'


def parse(text: str | bytes, problems: list[tuple[str, str]] | None = None) -> list[Task | CvatImage | Track]:
    data = text if isinstance(text, bytes) else text.encode()
    return list(cvat_document.parse(io.BytesIO(data), PATH, [] if problems is None else problems))


def image_of(*shapes: str) -> CvatImage:
    (item,) = parse(document(image(*shapes)))
    assert isinstance(item, CvatImage)
    return item


def track_of(*shapes: str, label: str = "cat") -> Track:
    (item,) = parse(document(track(*shapes, label=label)))
    assert isinstance(item, Track)
    return item


def box_at(item: Track, frame: int) -> Box | None:
    found = item.interpolate(frame)
    return found.box if found else None


@pytest.mark.parametrize(
    "shape",
    [
        BOX,
        '<polygon label="cat" points="1.0,20;15,2;30,21;14,40"/>',
        '<ellipse label="cat" cx="15.5" cy="21" rx="14.5" ry="19"/>',
        '<mask label="cat" rle="1, 2, 3" left="1" top="2" width="29" height="38"/>',
        '<cuboid label="cat" xtl1="1" ytl1="2" xbl1="1" ybl1="30" xtr1="20" ytr1="2" xbr1="20" ybr1="30" '
        'xtl2="9" ytl2="9" xbl2="9" ybl2="40" xtr2="30" ytr2="9" xbr2="30" ybr2="40"/>',
        '<box label="cat" xtl="-3.5" ytl="6.5" xbr="34.5" ybr="35.5" rotation="90.0"/>',
        '<box label="cat" xtl="1" ytl="2" xbr="30" ybr="40" rotation="180"/>',
    ],
)
def test_shapes_are_read_as_the_boxes_around_them(shape: str) -> None:
    (item,) = image_of(shape).objects
    assert (item.box.xmin, item.box.ymin) == pytest.approx((1, 2))
    assert (item.box.xmax, item.box.ymax) == pytest.approx((30, 40))


def test_a_box_turned_by_45_degrees_is_as_wide_as_its_diagonal() -> None:
    box = image_of('<box label="cat" xtl="0" ytl="0" xbr="10" ybr="10" rotation="45"/>').objects[0].box
    assert box.xmax - box.xmin == pytest.approx(200**0.5)


def test_shapes_without_a_box_or_label_are_counted() -> None:
    shapes = ['<polyline label="a" points="1,2;3,4"/>', '<points label="a" points="1,2"/>', '<tag label="a"/>']
    parsed = image_of(*shapes, '<polygon label="" points="1,2;3,4;5,6"/>', '<polygon label="a" points=""/>', BOX)
    assert [item.label for item in parsed.objects] == ["cat"]
    assert [kind for kind, _ in parsed.problems] == ["shape_skipped"] * 3 + ["label_missing", "box_missing"]


def test_flags_come_from_occluded_and_from_voc_attributes() -> None:
    text = (
        BOX.replace('occluded="0"/>', 'occluded="1">')
        + '<attribute name="difficult">true</attribute><attribute name="truncated">1</attribute></box>'
    )
    (item,) = image_of(text).objects
    assert (item.occluded, item.difficult, item.truncated) == (True, True, True)


def test_an_image_has_name_subset_and_size() -> None:
    item = image_of(BOX)
    assert (item.name, item.subset, item.size) == ("a.jpg", "Train", (64, 48))
    assert parse(document(META))[0] == Task("5", "v", "Train", (10, 19))


def test_a_track_is_interpolated_between_its_keyframes_and_stays_where_the_last_one_is() -> None:
    item = track_of(key(10, (0, 0, 10, 10)), key(20, (10, 20, 30, 40)), key(30, (0, 0, 1, 1), outside=1))
    assert box_at(item, 10) == Box(0, 0, 10, 10)
    assert box_at(item, 15) == Box(5, 10, 20, 25)
    assert box_at(item, 20) == Box(10, 20, 30, 40)
    assert box_at(item, 25) == Box(5, 10, 15.5, 20.5)
    assert [box_at(item, frame) for frame in (9, 30, 31)] == [None, None, None]
    assert not item.is_open
    unended = track_of(key(10, (0, 0, 10, 10)))
    assert unended.is_open
    assert box_at(unended, 11) == Box(0, 0, 10, 10)
    assert list(item.find_shown_frames()) == [10, 20]


def test_what_is_outside_stays_outside_until_the_next_keyframe() -> None:
    item = track_of(key(20, (0, 0, 4, 4)), key(0, (0, 0, 2, 2), outside=1), key(10, (0, 0, 3, 3), outside=1))
    assert [box_at(item, frame) for frame in (0, 5, 15, 20)] == [None, None, None, Box(0, 0, 4, 4)]


def test_rotation_goes_the_shorter_way_round() -> None:
    item = track_of(key(0, (0, 0, 10, 20), 'rotation="350"'), key(2, (0, 0, 10, 20), 'rotation="10"'))
    box = box_at(item, 1)
    assert box is not None
    assert (box.xmax - box.xmin, box.ymax - box.ymin) == pytest.approx((10, 20))


def test_tracks_of_points_or_without_label_are_counted() -> None:
    points = '<points frame="1" outside="0" points="1,2"/>'
    assert track_of(points, points).problems[0][0] == "shape_skipped"
    assert "2 points" in track_of(points, points).problems[0][1]
    assert track_of(key(1, (0, 0, 1, 1)), label="").problems[0][0] == "label_missing"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (document(image(BOX))[:-5], "annotations.xml:4: broken XML"),
        (document(image(BOX.replace('"1"', '"x"'))), "annotations.xml:3: xtl is 'x', not a number"),
        (document(image(BOX.replace('xtl="1"', ""))), "annotations.xml:3: <box> without xtl"),
        (document(image('<polygon label="a" points="1,2;3"/>')), "annotations.xml:3: a point is '3', not two numbers"),
        (document("<image/>"), "annotations.xml:3: an image without name"),
        (document(track(key(1, (0, 0, 1, 1)).replace('frame="1"', 'frame="-1"'))), "frame is '-1'"),
        (document(track(key(10**20, (0, 0, 1, 1)))), "frame is '1000"),
        ("<annotation/>", "annotations.xml:1: the root is not <annotations>"),
        ("", "annotations.xml:1: broken XML"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><annotations/>", "document type is refused"),
    ],
)
def test_broken_documents_are_named_with_the_line(text: str, says: str, fault: Any) -> None:
    def call(problems: list[tuple[str, str]]) -> None:
        for item in parse(text, problems):
            problems.extend(() if isinstance(item, Task) else item.problems)

    assert says in fault(call, PATH)


def test_a_broken_shape_or_image_leaves_the_others() -> None:
    problems: list[tuple[str, str]] = []
    item, other = parse(document(image(BOX, BOX.replace('"1"', '"x"'), BOX), "<image/>", image(BOX)), problems)
    assert isinstance(item, CvatImage)
    assert isinstance(other, CvatImage)
    assert (len(item.objects), len(other.objects)) == (2, 1)
    assert [kind for kind, _ in (*item.problems, *problems)] == ["record_broken", "record_broken"]


def test_a_document_type_is_refused_in_utf_16_too() -> None:
    text = "<!DOCTYPE annotations [<!ENTITY b 'c'>]><annotations>&b;</annotations>"
    with pytest.raises(DataError, match="document type is refused"):
        parse(text.encode("utf-16"))


def test_a_long_document_is_not_read_whole_for_its_first_image() -> None:
    data = document(image(BOX) * 20_000).encode()
    stream = io.BytesIO(data)
    items = cvat_document.parse(stream, PATH, [])
    assert isinstance(next(items), CvatImage)
    assert stream.tell() < len(data) / 4
    assert len(list(items)) == 19_999


def test_objects_of_a_track_are_ordinary_objects() -> None:
    assert track_of(key(1, (1, 2, 3, 4))).interpolate(1) == ObjectAnnotation("cat", Box(1, 2, 3, 4))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ('<polygon label="cat" points="1,2;30,2;30,40"/>', Outline(polygons=((1, 2, 30, 2, 30, 40),))),
        # Along the rows of a rectangle of 3 by 2: its second and third pixel, then the first two of the next row.
        (
            '<mask label="cat" rle="1, 4, 1" left="10" top="20" width="3" height="2"/>',
            {(11, 20), (12, 20), (10, 21), (11, 21)},
        ),
        ('<mask label="cat" rle="1, 2" left="10" top="20" width="3" height="2"/>', None),
        ('<mask label="cat" rle="x" left="10" top="20" width="3" height="2"/>', None),
        (BOX, None),
    ],
)
def test_polygons_and_masks_have_outlines_where_masks_are_asked_for(shape: str, expected: Any) -> None:
    data = io.BytesIO(document(image(shape)).encode())
    (item,) = cvat_document.parse(data, PATH, [], with_outlines=True)
    assert isinstance(item, CvatImage)
    outline = item.objects[0].outline
    if isinstance(expected, set):
        assert outline is not None
        drawn = masks.draw(outline, Box(0, 0, 1, 1), (64, 48), (0, 0, 64, 48))
        assert {(x, y) for y, x in zip(*drawn.nonzero(), strict=True)} == expected
    else:
        assert outline == expected
    assert image_of(shape).objects[0].outline is None


@given(st.data())
def test_any_document_gives_items_or_a_data_error(mutated: Any, data: st.DataObject) -> None:
    text = document(META, image(BOX), track(key(1, (0, 0, 1, 1)), key(3, (0, 0, 9, 9), 'rotation="5"')))
    with suppress(DataError):
        for item in parse(data.draw(mutated(text))):
            if isinstance(item, Track):
                item.interpolate(2)
