"""Supervisely projects."""

from __future__ import annotations

import base64
import io
import json
import zlib
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.images import masks
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.readers.tools.supervisely import supervisely
from odtool.dataset.types import AnnotatedImage, Box, Deferred, Problem, Source
from odtool.errors import DataError

PATH = Path("a.jpg.json")


def shape(exterior: Any, kind: str = "rectangle", **more: Any) -> dict[str, Any]:
    return {"classTitle": "cat", "geometryType": kind, "points": {"exterior": exterior, "interior": []}, **more}


def document(*objects: Any, tags: Any = ()) -> dict[str, Any]:
    return {"description": "", "tags": list(tags), "size": {"height": 48, "width": 64}, "objects": list(objects)}


def parse(item: Any) -> supervisely.SuperviselyFile:
    return supervisely.parse(json.dumps(item).encode(), PATH)


@pytest.fixture(scope="module")
def bitmap() -> dict[str, Any]:
    """A mask of 5 by 3 pixels as Supervisely packs it."""
    from PIL import Image

    stream = io.BytesIO()
    Image.new("P", (5, 3)).save(stream, "PNG")
    return {"data": base64.b64encode(zlib.compress(stream.getvalue())).decode(), "origin": [10, 20]}


@pytest.mark.parametrize(
    "item",
    [
        shape([[1, 2], [4, 6]]),
        shape([[4, 6], [1, 2]]),
        shape([[1, 6], [2, 2], [4, 4]], "polygon"),
        {"classTitle": " cat ", "type": "rectangle", "points": {"exterior": [[1, 2], [4.0, 6]]}, "bitmap": None},
    ],
)
def test_shapes_of_new_and_old_projects_become_envelopes(item: dict[str, Any]) -> None:
    found = parse(document(item))
    assert [(item.label, item.box) for item in found.objects] == [("cat", Box(1, 2, 4, 6))]
    assert found.size == (64, 48)


@pytest.mark.parametrize("angle", [1.5707963267948966, 90.0])
def test_oriented_boxes_are_taken_by_their_envelope(angle: float) -> None:
    found = parse(document(shape([[30, 40], [70, 60]], "oriented_bbox", angle=angle)))
    assert astuple(found.objects[0].box) == pytest.approx((40, 30, 60, 70))


def test_a_bitmap_is_as_large_as_its_png_from_its_origin(bitmap: dict[str, Any]) -> None:
    found = parse(document({"classTitle": "cat", "geometryType": "bitmap", "bitmap": bitmap}))
    assert [item.box for item in found.objects] == [Box(10, 20, 15, 23)]


@pytest.mark.parametrize("mode", ["L", "P", "RGBA"])
def test_bitmaps_and_polygons_with_holes_are_masks_where_masks_are_asked_for(mode: str) -> None:
    from PIL import Image

    stream = io.BytesIO()
    made = Image.new("L", (3, 2), 255)
    made.putpixel((0, 0), 0)
    if mode == "P":
        made = made.point(lambda value: value // 255).convert("P")
        made.putpalette([0, 0, 0, 255, 255, 255])
    if mode == "RGBA":
        made = Image.merge("RGBA", [made, made, made, made])
    made.save(stream, "PNG", **({"transparency": 0} if mode == "P" else {}))
    packed = {"data": base64.b64encode(zlib.compress(stream.getvalue())).decode(), "origin": [10, 20]}
    drawn = [
        {"classTitle": "cat", "geometryType": "bitmap", "bitmap": packed},
        {**shape([[0, 0], [20, 0], [20, 20], [0, 20]], "polygon")},
    ]
    drawn[1]["points"]["interior"] = [[[5, 5], [15, 5], [15, 15], [5, 15]]]
    found = supervisely.parse(json.dumps(document(*drawn)).encode(), PATH, with_outlines=True)
    sums = []
    for item in found.objects:
        assert item.outline is not None
        sums.append(int(masks.draw(item.outline, item.box, (64, 48), (0, 0, 64, 48)).sum()))
    assert sums == [5, 300]
    assert [item.outline for item in parse(document(*drawn)).objects] == [None, None]


def test_what_cannot_be_used_is_counted() -> None:
    items = [
        shape([[1, 2]], "point"),
        shape([[1, 2], [4, 6]], "line"),
        shape([[1, 2], [4, 6]], classTitle=""),
        shape([[1]]),
        {"classTitle": "cat", "geometryType": "bitmap", "bitmap": {"data": "!", "origin": [1, 2]}},
    ]
    kinds = [kind for kind, _ in parse(document(*items)).problems]
    assert kinds == ["shape_skipped", "shape_skipped", "label_missing", "box_missing", "box_missing"]


@pytest.mark.parametrize(
    ("tags", "split"),
    [(["train"], "train"), ([{"name": "val", "value": None}], "val"), (["re-test me"], None), ([3], None)],
)
def test_tags_of_the_image_may_name_its_split(tags: Any, split: str | None) -> None:
    assert parse(document(tags=tags)).split == split


def test_a_missing_image_is_not_taken_from_above_the_folder_of_the_others(tmp_path: Path, write_image: Any) -> None:
    write_image(tmp_path / "pictures" / "one" / "a.jpg")
    write_image(tmp_path / "pictures" / "b.jpg")
    (tmp_path / "set" / "one" / "ann").mkdir(parents=True)
    for name in "ab":
        (tmp_path / "set" / "one" / "ann" / f"{name}.jpg.json").write_text(json.dumps(document()))
    read = supervisely.read(Source(tmp_path / "set", tmp_path / "pictures"))
    images = [image for item in read if isinstance(item, Deferred) for image in item.parse(*item.arguments)]
    assert [image.path.exists() for image in images if isinstance(image, AnnotatedImage)] == [True, False]


def test_data_sets_are_splits_and_images_are_found_in_both_layouts(tmp_path: Path, write_image: Any) -> None:
    (tmp_path / "meta.json").write_text('{"classes": [{"title": "cat", "shape": "rectangle"}], "tags": []}')
    for split, annotation in (("train", "a.jpg.json"), ("val", "a.json")):
        write_image(tmp_path / split / "img" / "a.jpg")
        (tmp_path / split / "ann").mkdir()
        (tmp_path / split / "ann" / annotation).write_text(json.dumps(document(shape([[1, 2], [4, 6]]))))
    write_image(tmp_path / "val" / "img" / "forgotten.jpg")
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "supervisely"
    found = list(choice.reader.read(Source(tmp_path)))
    images = [image for item in found if isinstance(item, Deferred) for image in item.parse(*item.arguments)]
    assert [(image.path, image.split) for image in images if isinstance(image, AnnotatedImage)] == [
        (tmp_path / "train" / "img" / "a.jpg", "train"),
        (tmp_path / "val" / "img" / "a.jpg", "val"),
    ]
    assert [(item.kind, item.file.name) for item in found if isinstance(item, Problem)] == [
        ("annotation_missing", "forgotten.jpg")
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "a.jpg.json:1: broken JSON"),
        ("[]", "has no list 'objects'"),
        ('{"objects": [1]}', "object 1 is not an object"),
    ],
)
def test_what_is_not_superviselys_is_refused(text: str, says: str, fault: Any) -> None:
    assert says in fault(lambda _: supervisely.parse(text.encode(), PATH), PATH)


TEXT = json.dumps(document(shape([[1, 2], [4, 6]]), {"classTitle": "a", "bitmap": {"data": "eJw=", "origin": [1, 2]}}))


@given(
    st.integers(0, len(TEXT)), st.integers(0, 12), st.sampled_from(["", "null", "[]", '"x"', "1e999", "{}", ",", "é"])
)
def test_mutated_text_is_annotations_or_a_data_error(at: int, cut: int, put: str) -> None:
    with suppress(DataError):
        supervisely.parse((TEXT[:at] + put + TEXT[at + cut :]).encode(), PATH)


def test_the_folder_of_annotations_may_be_the_source_and_the_images_elsewhere(
    tmp_path: Path, write_image: Any, found: Any
) -> None:
    write_image(tmp_path / "pictures" / "a.jpg")
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "a.jpg.json").write_text(json.dumps(document(shape([[1, 2], [4, 6]]))))
    images, problems = found(supervisely.read, Source(tmp_path / "ann", tmp_path / "pictures"))
    assert ([image.path for image in images], problems) == ([tmp_path / "pictures" / "a.jpg"], [])
