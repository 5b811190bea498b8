"""LabelMe JSON as labelme and X-AnyLabeling write it."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.images import masks
from odtool.dataset.images.image_error import ImageError
from odtool.dataset.images.image_file import read_header
from odtool.dataset.prepare import PrepareSettings, prepare
from odtool.dataset.readers.tools import labelme
from odtool.dataset.survey.image_checks import Rules
from odtool.dataset.types import Box, Outline, Source
from odtool.errors import DataError

PATH = Path("a.json")


def shape(kind: str | None, points: list[Any], label: Any = "cat", **more: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}, **more}


def document(*shapes: Any, image: Any = "a.jpg", **more: Any) -> str:
    return json.dumps(
        {"version": "5.4.1", "flags": {}, "shapes": list(shapes), "imagePath": image, "imageData": None, **more}
    )


def parse(*shapes: Any) -> labelme.LabelmeFile:
    return labelme.parse(document(*shapes).encode(), PATH)


def boxes(*shapes: Any) -> list[Box]:
    return [item.box for item in parse(*shapes).objects]


@pytest.mark.parametrize(
    "drawn",
    [
        shape("rectangle", [[1, 2], [30, 40]]),
        shape("rectangle", [[30, 40], [1, 2]]),
        shape("rectangle", [[1.0, 40], [30, 2.0]]),
        shape("rectangle", [[1, 2], [30, 2], [30, 40], [1, 40]]),
        shape("polygon", [[1, 20], [15, 2], [30, 21], [14, 40]]),
        shape(None, [[1, 20], [15, 2], [30, 40]]),
        shape("rotation", [[1, 20], [15, 2], [30, 21], [14, 40]], direction=0.7),
        shape("quadrilateral", [[1, 20], [15, 2], [30, 21], [14, 40]]),
        shape("cuboid", [[1, 12], [20, 12], [20, 40], [1, 40], [11, 2], [30, 2], [30, 30], [11, 30]]),
        shape("mask", [[1, 2], [30, 40]], mask="iVBORw0KGgo="),
    ],
)
def test_shapes_are_read_as_the_boxes_around_them(drawn: dict[str, Any]) -> None:
    assert boxes(drawn) == [Box(1, 2, 30, 40)]


def test_polygons_and_masks_have_outlines_where_masks_are_asked_for() -> None:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("1", (3, 2), 1).save(stream, "PNG")
    drawn = [
        shape("polygon", [[1, 2], [30, 2], [30, 40]]),
        shape("mask", [[4, 5], [6, 6]], "dog", mask=base64.b64encode(stream.getvalue()).decode()),
        shape("rectangle", [[1, 2], [3, 4]], "box"),
    ]
    text = document(*drawn, imageWidth=10, imageHeight=8).encode()
    polygon, mask, rectangle = labelme.parse(text, PATH, with_outlines=True).objects
    assert polygon.outline == Outline(polygons=((1, 2, 30, 2, 30, 40),))
    assert mask.outline is not None
    assert masks.enclose_outline(mask.outline) == Box(4, 5, 7, 7)
    assert rectangle.outline is None
    assert [item.outline for item in labelme.parse(text, PATH).objects] == [None] * 3


@pytest.mark.parametrize("png", ["!", "AAAA", 3])
def test_a_mask_that_cannot_be_decoded_is_none(png: Any) -> None:
    text = document(shape("mask", [[4, 5], [6, 6]], mask=png), imageWidth=10, imageHeight=8).encode()
    assert labelme.parse(text, PATH, with_outlines=True).objects[0].outline is None


def test_polygons_of_a_group_are_one_mask() -> None:
    parts = [shape("polygon", [[x, 2], [x + 9, 2], [x, 9]], group_id=1) for x in (1, 20)]
    (item,) = labelme.parse(document(*parts).encode(), PATH, with_outlines=True).objects
    assert item.outline == Outline(polygons=((1, 2, 10, 2, 1, 9), (20, 2, 29, 2, 20, 9)))


def test_a_circle_is_its_centre_and_a_point_of_its_edge() -> None:
    assert boxes(shape("circle", [[20, 30], [23, 34]])) == [Box(15, 25, 25, 35)]


def test_lines_and_points_are_left_out_and_counted() -> None:
    kinds = ("line", "linestrip", "point", "points")
    parsed = parse(*(shape(kind, [[1, 2], [3, 4]]) for kind in kinds), shape("rectangle", [[1, 2], [3, 4]]))
    assert len(parsed.objects) == 1
    assert [detail for kind, detail in parsed.problems if kind == "shape_skipped"] == [
        "shapes[0] is a line",
        "shapes[1] is a linestrip",
        "shapes[2] is a point",
        "shapes[3] is a points",
    ]


def test_what_is_labelled_to_be_ignored_is_left_out_and_counted() -> None:
    ignored = [shape(kind, [[1, 2], [3, 4], [5, 2]], "__ignore__") for kind in ("polygon", "line")]
    parsed = parse(shape("rectangle", [[1, 2], [3, 4]]), *ignored)
    assert [item.label for item in parsed.objects] == ["cat"]
    assert parsed.problems == tuple(("object_ignored", f"shapes[{number}] is labelled __ignore__") for number in (1, 2))


def test_shapes_without_label_or_points_are_counted() -> None:
    parsed = parse(shape("rectangle", [[1, 2], [3, 4]], None), shape("rectangle", [[1, 2]]), shape("polygon", []))
    assert [kind for kind, _ in parsed.problems] == ["label_missing", "box_missing", "box_missing"]


def test_outlines_of_one_label_and_group_are_one_object() -> None:
    left, right = [[1, 2], [3, 2], [3, 4]], [[10, 1], [20, 1], [20, 3]]
    grouped = [shape("polygon", left, group_id=1), shape("polygon", right, group_id=1)]
    assert boxes(*grouped) == [Box(1, 1, 20, 4)]
    assert parse(*grouped).problems == (("shapes_joined", "2 outlines of 'cat' with group_id 1"),)
    assert len(boxes(*grouped, shape("polygon", left), shape("polygon", left))) == 3
    assert len(boxes(grouped[0], shape("polygon", right, "dog", group_id=1))) == 2


@pytest.mark.parametrize("kind", ["rectangle", "circle"])
def test_grouped_boxes_are_objects_that_belong_together(kind: str) -> None:
    parsed = parse(*(shape(kind, [[x, 2], [x + 2, 4]], group_id=1) for x in (10, 30)))
    assert len(parsed.objects) == 2
    assert not parsed.problems


def test_difficult_and_size_are_read() -> None:
    drawn = shape("rectangle", [[1, 2], [3, 4]], difficult=True)
    parsed = labelme.parse(document(drawn, imageHeight=48, imageWidth=64).encode(), PATH)
    assert parsed.objects[0].difficult
    assert parsed.size == (64, 48)


def test_what_is_no_number_stays_for_the_checks() -> None:
    text = document(shape("rectangle", [[math.nan, 2], [3, 4]]))
    assert math.isnan(labelme.parse(text.encode(), PATH).objects[0].box.xmin)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"shapes": [\n', "a.json:2: broken JSON"),
        ("[]", "a.json: has no list 'shapes'"),
        ('{"shapes": {}}', "a.json: has no list 'shapes'"),
        (document(1), "a.json: shapes[0] is not an object"),
        (document(shape("rectangle", [[1, 2], [3, "x"]])), "a.json: shapes[0]: a point is not two numbers"),
        (document(shape("rectangle", [[1, 2, 3], [3, 4]])), "a.json: shapes[0]: a point is not two numbers"),
    ],
)
def test_broken_documents_are_named(text: str, says: str, fault: Any) -> None:
    assert says in fault(lambda _: labelme.parse(text.encode(), PATH), PATH)


@pytest.mark.parametrize("name", ["..\\images\\a.jpg", "../images/a.jpg", "a.jpg", "C:\\my\\a.jpg", "/b/a.jpg", "a"])
def test_the_image_is_found_by_its_path(
    tmp_path: Path, write_image: Callable[..., Path], found: Any, name: str
) -> None:
    write_image(tmp_path / "images/a.jpg")
    write_image(tmp_path / "images/b.jpg")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.json").write_text(document(shape("rectangle", [[1, 2], [3, 4]]), image=name))
    for source in (Source(tmp_path), Source(tmp_path / "labels/a.json"), Source(tmp_path / "labels")):
        (image,), problems = found(labelme.read, source)
        assert image.path.resolve() == tmp_path / "images/a.jpg"
        assert {problem.kind for problem in problems} <= {"annotation_missing"}


def test_a_renamed_image_is_found_by_the_name_of_the_document(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    write_image(tmp_path / "new.png")
    (tmp_path / "new.json").write_text(document(image="old.jpg"))
    (image,), problems = found(labelme.read, Source(tmp_path))
    assert image.path == tmp_path / "new.png"
    assert [problem.kind for problem in problems] == ["filename_mismatch"]


@pytest.mark.parametrize("form", ["JPEG", "BMP"])
def test_an_image_that_is_only_inside_the_document_is_read_from_there(
    tmp_path: Path, read_records: Callable[[Path], dict[str, dict[str, list[Any]]]], form: str
) -> None:
    from PIL import Image

    stream = io.BytesIO()
    Image.effect_noise((40, 30), 90).save(stream, form)
    inside = base64.b64encode(stream.getvalue()).decode()
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        text = document(shape("rectangle", [[1, 2], [30, 20]]), imageData=inside, image="..\\a.jpg")
        (tmp_path / folder / "a.json").write_text(text)
    prepare(PrepareSettings((Source(tmp_path),), tmp_path / "data", val=0, rules=Rules(full=True)))
    records = read_records(tmp_path / "data")
    assert sorted(records) == ["one/a.jpg", "two/a.jpg"]
    record = records["one/a.jpg"]
    assert record["image/width"] == [40]
    if form == "JPEG":
        assert record["image/encoded"] == [stream.getvalue()]
    else:
        assert record["image/format"] == [b"png"]


def test_the_image_inside_the_document_comes_before_one_of_the_same_name_elsewhere(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    write_image(tmp_path / "a" / "0.jpg")
    inside = base64.b64encode((tmp_path / "a" / "0.jpg").read_bytes()).decode()
    for folder in "ab":
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "0.json").write_text(document(image="0.jpg", imageData=inside))
    images, _ = found(labelme.read, Source(tmp_path))
    assert [image.path for image in images] == [tmp_path / "a" / "0.jpg", tmp_path / "b" / "0.json"]
    assert [image.extent is None for image in images] == [True, False]


@pytest.mark.parametrize("beside", [True, False])
def test_a_path_that_names_the_json_file_itself_says_nothing_of_the_image(
    tmp_path: Path, write_image: Callable[..., Path], found: Any, beside: bool
) -> None:
    picture = write_image(tmp_path / "a.jpg")
    inside = base64.b64encode(picture.read_bytes()).decode()
    (tmp_path / "a.json").write_text(document(image="a.json", imageData=inside))
    if not beside:
        picture.unlink()
    (image,), problems = found(labelme.read, Source(tmp_path))
    assert image.path == (picture if beside else tmp_path / "a.json")
    assert image.name == "a.jpg"
    assert problems == []


@pytest.mark.parametrize("inside", ["iVBORw0KGgo=", "no base64", "=", None, ""])
def test_what_is_no_image_inside_the_document_is_told(tmp_path: Path, found: Any, inside: str | None) -> None:
    (tmp_path / "a.json").write_text(document(imageData=inside))
    images, problems = found(labelme.read, Source(tmp_path))
    if not inside:
        assert [problem.kind for problem in problems] == ["image_missing"]
        return
    with pytest.raises(ImageError):
        read_header(images[0].path, images[0].extent)


def test_images_without_a_document_are_counted_and_other_documents_left_to_others(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for name in ("a.jpg", "b.jpg"):
        write_image(tmp_path / name)
    (tmp_path / "a.json").write_text(document(imageData="A" * 300_000, imageHeight=48, imageWidth=64))
    (tmp_path / "info.json").write_text("{}")
    assert labelme.detect(tmp_path)
    images, problems = found(labelme.read, Source(tmp_path))
    assert [image.path.name for image in images] == ["a.jpg"]
    assert [(problem.kind, problem.file.name) for problem in problems] == [("annotation_missing", "b.jpg")]


@given(st.data())
def test_any_document_gives_objects_or_a_data_error(mutated: Any, data: st.DataObject) -> None:
    text = document(shape("circle", [[1, 2], [3, 4]], group_id=1), shape("polygon", [[1, 2], [3, 4], [5, 6]]))
    with suppress(DataError):
        labelme.parse(data.draw(mutated(text)), PATH)
