"""VGG Image Annotator, JSON and CSV."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.readers.common.image_lists import Listing
from odtool.dataset.readers.common.streams.json_document import JsonDocument
from odtool.dataset.readers.common.streams.overflow import Overflow
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.readers.tools.via import via
from odtool.dataset.types import AnnotatedImage, Problem, Source
from odtool.errors import DataError

PATH = Path("a.json")
RECT = {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4}
HEADER = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n"


def region(shape: dict[str, Any] = RECT, **attributes: Any) -> dict[str, Any]:
    return {"shape_attributes": shape, "region_attributes": attributes}


def export(*regions: dict[str, Any], name: str = "a.jpg") -> dict[str, Any]:
    return {f"{name}123": {"filename": name, "size": 123, "regions": list(regions), "file_attributes": {}}}


def parse_bytes(data: bytes) -> Listing:
    """What a document says, in memory."""
    listing = via.parse(JsonDocument.of_bytes(data, PATH, via.KEYS), Overflow())
    return Listing(tuple(listing.entries), tuple(listing.problems))


def parse_csv(data: bytes) -> Listing:
    listing = via.parse_csv(io.BytesIO(data), PATH, Overflow())
    return Listing(tuple(listing.entries), tuple(listing.problems))


def parse(document: Any) -> Listing:
    return parse_bytes(json.dumps(document).encode())


def kinds(listing: Listing) -> list[str]:
    return [kind for kind, _ in listing.problems]


def boxes(listing: Listing) -> list[tuple[str, list[float]]]:
    return [
        (item.label, [round(value, 3) for value in (item.box.xmin, item.box.ymin, item.box.xmax, item.box.ymax)])
        for entry in listing.entries
        for item in entry.objects
    ]


@pytest.mark.parametrize(
    "document",
    [
        export(region(type="cat")),
        {"_via_settings": {}, "_via_img_metadata": export(region(type="cat")), "_via_attributes": {}},
        {"a.jpg123": {"fileref": "", "filename": "a.jpg", "regions": {"0": region(type="cat")}, "base64_img_data": ""}},
        list(export(region(type="cat")).values()),
    ],
)
def test_exports_projects_and_version_1_say_the_same(document: Any) -> None:
    found = parse(document)
    assert boxes(found) == [("cat", [1, 2, 4, 6])]
    assert [entry.names[0] for entry in found.entries] == ["a.jpg"]
    assert found.problems == ()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ({"name": "circle", "cx": 10, "cy": 20, "r": 5}, [5, 15, 15, 25]),
        ({"name": "ellipse", "cx": 10, "cy": 20, "rx": 5, "ry": 2}, [5, 18, 15, 22]),
        ({"name": "ellipse", "cx": 10, "cy": 20, "rx": 5, "ry": 2, "theta": 1.5707963}, [8, 15, 12, 25]),
        ({"name": "polygon", "all_points_x": [5, 1, 3], "all_points_y": [2, 8, 4]}, [1, 2, 5, 8]),
        ({"name": "polyline", "all_points_x": [5, 1], "all_points_y": [2, 8]}, [1, 2, 5, 8]),
    ],
)
def test_shapes_become_their_envelopes(shape: dict[str, Any], expected: list[float]) -> None:
    assert boxes(parse(export(region(shape, label="cat")))) == [("cat", expected)]


def test_what_has_no_box_is_counted() -> None:
    shapes = [
        {"name": "point", "cx": 1, "cy": 2},
        {"name": "rect", "x": 1},
        {"name": "polygon", "all_points_x": [1]},
        {},
    ]
    found = parse(export(*(region(shape, label="cat") for shape in shapes), region(label="cat")))
    assert kinds(found) == ["shape_skipped", "box_missing", "box_missing", "box_missing"]
    assert len(boxes(found)) == 1


@pytest.mark.parametrize(
    ("regions", "labels", "expected"),
    [
        ([region(colour="red", species="cat"), region(species="dog")], ["cat", "dog"], ["class_attribute"]),
        ([region(colour="red", Class="cat"), region(colour="red", Class="dog")], ["cat", "dog"], ["class_attribute"]),
        ([region(id="1", kind="cat"), region(id="2", kind="cat")], ["cat", "cat"], ["class_attribute"]),
        ([region(type={"cat": True, "pet": True, "dog": False})], ["cat", "pet"], ["labels_several"]),
        ([region(type="cat"), region(type="")], ["cat"], ["label_missing"]),
        ([region(type="cat"), region()], ["cat"], ["label_missing"]),
        ([region(), region()], ["object", "object"], ["class_absent"]),
        ([region(type=3)], ["3"], []),
    ],
)
def test_the_class_is_the_attribute_that_evidently_holds_it(
    regions: list[dict[str, Any]], labels: list[str], expected: list[str]
) -> None:
    found = parse(export(*regions))
    assert [label for label, _ in boxes(found)] == labels
    assert kinds(found) == expected


def test_version_3_keeps_files_views_and_options_apart() -> None:
    document = {
        "project": {"pid": "x", "vid_list": ["1", "2"]},
        "attribute": {
            "1": {"aname": "class", "options": {"0": "cat", "1": "dog"}},
            "2": {"aname": "seen", "options": {}},
        },
        "file": {"1": {"fid": "1", "fname": "a.jpg", "type": 2}, "2": {"fid": "2", "fname": "a.mp4", "type": 4}},
        "view": {"1": {"fid_list": ["1"]}, "2": {"fid_list": ["2"]}},
        "metadata": {
            "a": {"vid": "1", "z": [], "xy": [2, 1, 2, 3, 4], "av": {"1": "1"}},
            "b": {"vid": "1", "z": [], "xy": [7, 5, 2, 1, 8, 3, 4], "av": {"1": "0"}},
            "c": {"vid": "1", "z": [], "xy": [1, 5, 2], "av": {"1": "0"}},
            "d": {"vid": "1", "z": [], "xy": [], "av": {"2": "yes"}},
            "e": {"vid": "2", "z": [1], "xy": [2, 1, 2, 3, 4], "av": {"1": "1"}},
        },
    }
    found = parse(document)
    assert boxes(found) == [("dog", [1, 2, 4, 6]), ("cat", [1, 2, 5, 8])]
    assert kinds(found) == ["entry_ignored", "shape_skipped"]


def test_an_outline_in_a_cell_may_have_any_length() -> None:
    points = ",".join(map(str, range(40_000)))
    shape = f'"{{""name"": ""polygon"", ""all_points_x"": [{points}], ""all_points_y"": [{points}]}}"'
    header = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n"
    found = parse_csv(f'{header}a.jpg,1,"{{}}",1,0,{shape},"{{""label"": ""cat""}}"\n'.encode())
    assert found.entries[0].objects[0].box.xmax == 39_999


def test_csv_has_json_in_its_cells() -> None:
    rect, dog = json.dumps(RECT).replace('"', '""'), '{""type"":""dog, big""}'
    text = HEADER + f'a.jpg,1,"{{}}",1,0,"{rect}","{dog}"\nb.jpg,1,"{{}}",0,0,"{{}}","{{}}"\n'
    found = parse_csv(("#" + text).encode())
    assert boxes(found) == [("dog, big", [1, 2, 4, 6])]
    assert [entry.names[0] for entry in found.entries] == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEADER + "a.jpg,1\n", "a.json:2: broken CSV: 2 cells, 7 columns"),
        (HEADER + 'a.jpg,1,"{}",1,0,"{x}","{}"\n', "a.json:2: broken CSV: region_shape_attributes is not JSON"),
        (HEADER + ',1,"{}",1,0,"{}","{}"\n', "a.json:2: broken CSV: no filename"),
        ("filename\n", "a.json:1: no column"),
    ],
)
def test_broken_csv_names_the_line(text: str, says: str, fault: Any) -> None:
    assert says in fault(lambda _: parse_csv(text.encode()), PATH)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a":\n', "a.json:2: broken JSON"),
        ("3", "has no images"),
        ('{"a": {"regions": []}}', "image 1 has no filename"),
        ('{"a": {"filename": "a", "regions": 3}}', "a: regions is neither"),
        ('{"a": {"filename": "a", "regions": [3]}}', "a: region 1 is not an object"),
        ('{"file": {}, "metadata": []}', "'view' is not a table"),
    ],
)
def test_what_is_not_vias_is_refused(text: str, says: str, fault: Any) -> None:
    assert says in fault(lambda _: parse_bytes(text.encode()), PATH)


def test_a_project_beside_its_exports_is_read_once_and_folders_are_splits(tmp_path: Path, write_image: Any) -> None:
    for split in ("train", "val"):
        write_image(tmp_path / split / "a.jpg")
        (tmp_path / split / "via_region_data.json").write_text(json.dumps(export(region(type="cat"))))
    rect = json.dumps(RECT).replace('"', '""')
    (tmp_path / "train" / "via_export.csv").write_text(HEADER + f'a.jpg,1,"{{}}",1,0,"{rect}","{{}}"\n')
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "via"
    found = list(choice.reader.read(Source(tmp_path)))
    assert [(item.path, item.split) for item in found if isinstance(item, AnnotatedImage)] == [
        (tmp_path / "train" / "a.jpg", "train"),
        (tmp_path / "val" / "a.jpg", "val"),
    ]
    assert [item.kind for item in found if isinstance(item, Problem)] == ["file_skipped"]


TEXT = json.dumps(
    export(region(type="cat"), region({"name": "polygon", "all_points_x": [1, 2], "all_points_y": [3, 4]}))
)
V3 = json.dumps({"file": {"1": {"fname": "a"}}, "view": {"1": {"fid_list": ["1"]}}, "attribute": {"1": {"aname": "c"}},
                 "metadata": {"a": {"vid": "1", "xy": [2, 1, 2, 3, 4], "av": {"1": "cat"}}}})  # fmt: skip
ROWS = HEADER + 'a.jpg,1,"{}",1,0,"{""name"":""rect"",""x"":1}","{""type"":""dog""}"\n'
PUT = st.sampled_from(["", "null", "[]", '"x"', "1e999", "{}", ",", "[[]]"])


@given(st.sampled_from([TEXT, V3]), st.integers(0, 300), st.integers(0, 12), PUT)
def test_mutated_json_is_a_listing_or_a_data_error(text: str, at: int, cut: int, put: str) -> None:
    with suppress(DataError):
        parse_bytes((text[:at] + put + text[at + cut :]).encode())


@given(st.integers(0, len(ROWS)), st.integers(0, 12), PUT)
def test_mutated_csv_is_a_listing_or_a_data_error(at: int, cut: int, put: str) -> None:
    with suppress(DataError):
        parse_csv((ROWS[:at] + put + ROWS[at + cut :]).encode())


@pytest.mark.parametrize("value", ["1", 1, {"1": True}])
def test_options_with_numbers_are_called_what_the_project_calls_them(value: Any) -> None:
    options = {"kind": {"type": "dropdown", "options": {"1": "cat", "2": "", "dog": "a dog"}}}
    found = parse(
        {
            "_via_img_metadata": export(region(kind=value), region(kind="2"), region(kind="dog")),
            "_via_attributes": {"region": options, "file": {}},
        }
    )
    assert [item.label for item in found.entries[0].objects] == ["cat", "2", "dog"]


@pytest.mark.parametrize("attributes", [None, [], {"region": 3}, {"region": {"a": {"options": [1]}}}])
def test_attributes_of_another_shape_name_nothing(attributes: Any) -> None:
    found = parse({"_via_img_metadata": export(region(kind="1")), "_via_attributes": attributes})
    assert [item.label for item in found.entries[0].objects] == ["1"]


def test_polygons_have_outlines() -> None:
    shape = {"name": "polygon", "all_points_x": [1, 5, 5], "all_points_y": [2, 2, 7]}
    polygon, rectangle = parse(export(region(shape, label="cat"), region(label="cat"))).entries[0].objects
    assert polygon.outline is not None
    assert polygon.outline.polygons == ((1, 2, 5, 2, 5, 7),)
    assert rectangle.outline is None
