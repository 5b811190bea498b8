"""Datumaro JSON, laid out as its exporter writes it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers.common.streams.json_lines import Line
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.readers.tools import datumaro
from odtool.dataset.types import Box, ObjectAnnotation, Source
from odtool.errors import DataError

NAMES = ["cat", "dog"]


def annotation(kind: str, label: int | None = 0, group: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "id": 0,
        "type": kind,
        "attributes": {},
        "group": group,
        "label_id": label,
        "object_id": -1,
        "z_order": 0,
        **more,
    }


BBOX = annotation("bbox", bbox=[1.0, 2.0, 29.0, 38.0])
POLYGON = annotation("polygon", 1, points=[1.0, 2.0, 30.0, 2.0, 3.0, 40.0])


def item(name: str, *annotations: Any, **more: Any) -> dict[str, Any]:
    media = {"image": {"path": f"{name}.jpg", "size": [48, 64]}}
    return {"id": name, "annotations": list(annotations), "attr": {}, **media, **more}


def document(*items: Any) -> dict[str, Any]:
    labels = [{"name": name, "parent": "", "attributes": []} for name in NAMES]
    return {
        "dm_format_version": "1.0",
        "media_type": 2,
        "infos": {"author": "x"},
        "categories": {
            "label": {"labels": labels, "label_groups": [], "attributes": ["occluded"]},
            "mask": {"colormap": []},
        },
        "items": list(items),
    }


def parse(*annotations: Any) -> tuple[list[ObjectAnnotation], list[str]]:
    line = Line(Path("train.json"), 1)
    entry = datumaro.parse(NAMES, item("a", *annotations), line)
    assert entry is not None
    return list(entry.objects), [kind for kind, _ in line.problems]


def test_subsets_are_splits_and_their_images_lie_in_folders_of_their_names(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for split in ("train", "val"):
        write_image(tmp_path / "images" / split / "a.jpg")
        (tmp_path / "annotations").mkdir(exist_ok=True)
        text = json.dumps(document(item("a", BBOX, POLYGON), item("b/c")))
        (tmp_path / f"annotations/{split}.json").write_text(text)
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "datumaro"
    images, problems = found(choice.reader.read, Source(tmp_path, masks=True))
    assert [(image.path, image.split) for image in images[::2]] == [
        (tmp_path / "images/train/a.jpg", "train"),
        (tmp_path / "images/val/a.jpg", "val"),
    ]
    assert images[0].declared_size == (64, 48)
    assert [(each.label, each.box, each.outline is not None) for each in images[0].objects] == [
        ("cat", Box(1, 2, 30, 40), False),
        ("dog", Box(1, 2, 30, 40), True),
    ]
    assert (images[1].path.name, images[1].objects) == ("c.jpg", ())
    assert problems == []


@pytest.mark.parametrize(
    ("each", "expected"),
    [
        (annotation("mask", rle={"counts": "0PP3", "size": [48, 64]}), Box(0, 0, 64, 48)),
        (annotation("ellipse", points=[1, 2, 30, 40]), Box(1, 2, 30, 40)),
        (annotation("rotated_bbox", points=[20, 20, 10, 4, math.pi / 2]), Box(18, 15, 22, 25)),
    ],
)
def test_other_shapes_are_their_envelopes(each: Any, expected: Box) -> None:
    ((one,), problems) = parse(each)
    assert (one.label, problems) == ("cat", [])
    corners = (one.box.xmin, one.box.ymin, one.box.xmax, one.box.ymax)
    assert corners == pytest.approx((expected.xmin, expected.ymin, expected.xmax, expected.ymax))


def test_parts_of_one_group_are_one_object_and_two_boxes_are_two() -> None:
    left, right = ({**POLYGON, "group": 7, "points": [x, 2, x + 5, 2, x, 9]} for x in (1, 20))
    ((one,), problems) = parse(left, right)
    assert (one.label, one.box, problems) == ("dog", Box(1, 2, 25, 9), ["shapes_joined"])
    assert one.outline is not None
    assert len(one.outline.polygons) == 2
    box = BBOX | {"group": 7, "label_id": 1, "attributes": {"is_crowd": True, "occluded": True}}
    ((whole,), _) = parse(box, left)
    assert (whole.box, whole.is_crowd, whole.occluded, whole.outline is not None) == (
        Box(1, 2, 30, 40),
        True,
        True,
        True,
    )
    hands, problems = parse(box, box | {"bbox": [0, 0, 5, 5]}, left | {"label_id": 0})
    assert ([each.label for each in hands], problems) == (["dog", "dog", "cat"], [])


@pytest.mark.parametrize(
    ("each", "kind"),
    [
        (annotation("label"), "shape_skipped"),
        (annotation("points", points=[1, 2]), "shape_skipped"),
        (annotation("bbox", None, bbox=[1, 2, 3, 4]), "label_missing"),
        (annotation("bbox", bbox=[1, 2]), "box_missing"),
        (annotation("polygon", points=[1, 2]), "box_missing"),
    ],
)
def test_what_cannot_be_used_is_told(each: Any, kind: str) -> None:
    assert parse(each) == ([], [kind])


def test_a_label_that_no_category_names_is_undefined() -> None:
    with pytest.raises(
        DataError, match=r"train\.json:1: a\.jpg: annotation 1 has label_id 2, which is not in its cat"
    ) as error:
        parse(BBOX | {"label_id": 2})
    assert getattr(error.value, "kind", "") == "class_undefined"


def test_a_point_cloud_is_no_image() -> None:
    line = Line(Path("a.json"), 1)
    cloud = {"id": "a", "annotations": [], "point_cloud": {"path": "a.pcd"}}
    assert datumaro.parse(NAMES, cloud, line) is None
    assert [kind for kind, _ in line.problems] == ["entry_ignored"]


@pytest.mark.parametrize("categories", [None, {}, {"label": {"labels": 1}}, {"label": {"labels": [{}]}}])
def test_categories_that_name_nothing_are_refused(categories: Any) -> None:
    with pytest.raises(DataError, match="categories"):
        datumaro.parse_labels(categories, Path("a.json"))
