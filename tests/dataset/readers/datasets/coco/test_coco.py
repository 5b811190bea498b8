"""COCO as its many exporters write it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odtool.dataset.readers.common.streams.json_document import JsonDocument
from odtool.dataset.readers.common.streams.overflow import ObjectGroups, open_overflow
from odtool.dataset.readers.datasets.coco import coco, coco_document
from odtool.dataset.types import AnnotatedImage, Box, Problem, Source
from odtool.errors import DataError

PATH = Path("a.json")


def document(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "images": [
            {"id": 0, "file_name": "sub/a.jpg", "width": 64, "height": 48},
            {"id": 7, "file_name": "b.jpg"},
        ],
        "categories": [{"id": 0, "name": "animals", "supercategory": "none"}, {"id": 5, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 5, "bbox": [1, 2, 10, 20.5], "area": 99, "iscrowd": 1},
            {"id": 9, "image_id": "0", "category_id": 5, "bbox": [0, 0, 5, 5], "area": None},
        ],
    }
    return made | changes


class Parsed(NamedTuple):
    """All that a file says."""

    problems: tuple[tuple[str, str], ...]
    images: tuple[coco_document.CocoImage, ...]
    unused: set[str]


def parse_bytes(data: bytes) -> Parsed:
    with open_overflow(None) as overflow:
        opened = JsonDocument(io.BytesIO(data), PATH, coco_document.KEYS)
        content = coco_document.CocoFile(opened, ObjectGroups(overflow))
        if content.skip:
            return Parsed((), (), set())
        return Parsed(tuple(content.collect_objects()), tuple(content), content.unused)


def parse(**changes: Any) -> Parsed:
    return parse_bytes(json.dumps(document(**changes)).encode())


def findings(path: Path, images: Path | None = None) -> tuple[list[AnnotatedImage], list[Problem]]:
    found = list(coco.read(Source(path, images)))
    return (
        [item for item in found if isinstance(item, AnnotatedImage)],
        [item for item in found if isinstance(item, Problem)],
    )


def test_boxes_are_corners_and_an_image_without_annotations_is_background() -> None:
    first, second = parse().images
    assert [item.box for item in first.objects] == [Box(1, 2, 11, 22.5), Box(0, 0, 5, 5)]
    assert [(item.label, item.is_crowd, item.area) for item in first.objects] == [
        ("cat", True, 99),
        ("cat", False, None),
    ]
    assert (first.size, second.size, second.objects) == ((64, 48), None, ())


def test_a_root_category_that_nothing_belongs_to_is_unused() -> None:
    assert parse().unused == {"animals"}


def test_categories_of_one_name_are_told_of() -> None:
    categories = [{"id": 1, "name": "cat"}, {"id": 4, "name": " cat"}, {"id": 7, "name": "cat"}]
    assert ("class_repeated", "classes 1, 4 and 7 are called 'cat'") in parse(categories=categories).problems


def test_an_annotation_of_an_unknown_image_is_a_problem() -> None:
    found = parse(annotations=[{"id": 1, "image_id": 99, "category_id": 5, "bbox": [1, 2, 3, 4]}])
    assert [kind for kind, _ in found.problems] == ["image_missing"]


def test_an_annotation_without_box_is_a_problem_beside_others_with_one() -> None:
    annotations = [*document()["annotations"], {"id": 3, "image_id": 0, "category_id": 5, "bbox": []}]
    (problem,) = parse(annotations=annotations).problems
    assert problem[0] == "box_missing"
    assert "annotation 3 has no bbox" in problem[1]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"images": None}, "no list 'images'"),
        ({"images": [{"id": 1}]}, "images[0] has no id or file_name"),
        ({"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]}, "two images have id 1"),
        ({"categories": [{"id": 1}]}, "categories[0] has no id or name"),
        ({"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}, "two categories have id 1"),
        ({"categories": []}, "category_id 5, which is not in 'categories'"),
        ({"annotations": {}}, "'annotations' is not a list"),
        ({"annotations": [{"id": 4, "image_id": 0, "category_id": 5, "bbox": [1, "x", 3, 4]}]}, "annotation 4: bbox"),
        ({"annotations": [{"id": 4, "image_id": 0, "category_id": 5, "bbox": [1, 2]}]}, "annotation 4: bbox"),
    ],
)
def test_what_contradicts_the_format_is_named(changes: dict[str, Any], says: str, fault: Any) -> None:
    message = fault(lambda _: parse(**changes), Path("a.json"))
    assert message.startswith("a.json: ")
    assert says in message


def test_a_broken_entry_leaves_the_others_and_an_image_that_lost_all_its_objects_is_left_out() -> None:
    good = document()["annotations"]
    whole = parse()
    broken = {"id": 4, "image_id": 0, "category_id": 5, "bbox": [1, "x", 3, 4]}
    found = parse(annotations=[broken, 7, *good, {**broken, "bbox": [1, 2, 3, 4], "category_id": 99}])
    assert [kind for kind, _ in found.problems] == ["record_broken", "record_broken", "class_undefined"]
    assert [image.objects for image in found.images] == [image.objects for image in whole.images]
    alone = parse(annotations=[broken, {**broken, "image_id": 7}, {**good[0], "image_id": 7}])
    assert [image.id for image in alone.images] == ["7"]


@pytest.mark.parametrize("category", [{"category_id": None}, {}])
def test_an_annotation_without_a_category_is_left_out_and_counted(category: dict[str, Any]) -> None:
    annotations = [*document()["annotations"], {"id": 3, "image_id": 0, "bbox": [1, 2, 3, 4], **category}]
    found = parse(annotations=annotations)
    assert found.problems == (("label_missing", "annotation 3 has no category_id"),)
    assert [image.objects for image in found.images] == [image.objects for image in parse().images]


def test_without_categories_it_says_what_is_missing(fault: Any) -> None:
    data = {key: value for key, value in document().items() if key != "categories"}
    message = fault(lambda _: parse_bytes(json.dumps(data).encode()), Path("a.json"))
    assert message == "a.json: has no list 'categories', which names the classes"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'{"images": [\n1,,2]}', "a.json:2: broken JSON"),
        (b'{"images": [', "a.json:1: broken JSON"),
        (b'{"images":\n"\xff"}', "a.json:2: broken JSON: not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_broken_json_is_named_with_its_line(data: bytes, says: str) -> None:
    with pytest.raises(DataError) as error:
        parse_bytes(data)
    assert says in error.value.message


LAYOUTS = ["coco", "coco_instances", "coco_person_keypoints", "coco_roboflow", "mmdet_coco"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_real_layouts_are_read_with_their_splits(shared_data: Path, layout: str) -> None:
    root = shared_data / "formats" / "coco_dataset" / layout
    assert coco.detect(root)
    images, _ = findings(root)
    assert {(image.path.name, image.split, len(image.objects)) for image in images} == {
        ("a.jpg", "train", 1),
        ("b.jpg", "val", 2),
    }
    assert all(image.path.is_file() for image in images)
    train = next(image for image in images if image.split == "train")
    assert train.objects[0].box == Box(2, 2, 5, 3)


def test_key_points_that_no_record_holds_are_told_of(shared_data: Path) -> None:
    _, problems = findings(shared_data / "formats" / "coco_dataset" / "coco_person_keypoints")
    told = {problem.file.name: problem.detail for problem in problems if problem.kind == "keypoints_dropped"}
    assert told == {
        "person_keypoints_train.json": "1 of 1 annotations have keypoints",
        "person_keypoints_val.json": "2 of 2 annotations have keypoints",
    }


def test_unmarked_key_points_are_none() -> None:
    objects = [{"id": 1, "image_id": 0, "category_id": 5, "bbox": [1, 2, 3, 4], "keypoints": [0, 0, 0, 0, 0, 0]}]
    assert parse(annotations=objects).problems == ()


def test_of_several_files_for_a_split_the_one_about_objects_is_read(shared_data: Path) -> None:
    _, problems = findings(shared_data / "formats" / "coco_dataset" / "coco")
    skipped = [problem for problem in problems if problem.kind == "file_skipped"]
    assert len(skipped) == 12
    assert all("instances_" in problem.detail for problem in skipped)


@pytest.mark.parametrize("layout", ["coco_captions", "coco_labels", "coco_panoptic", "coco_image_info"])
def test_files_without_boxes_are_refused_with_the_reason(shared_data: Path, layout: str) -> None:
    with pytest.raises(DataError, match="no bounding boxes"):
        findings(shared_data / "formats" / "coco_dataset" / layout)


def test_ids_are_kept_where_there_is_one_file(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    write_image(tmp_path / "images" / "sub" / "a.jpg")
    write_image(tmp_path / "images" / "b.jpg")
    (tmp_path / "all.json").write_text(json.dumps(document()))
    images, _ = findings(tmp_path / "all.json")
    assert [(image.source_id, image.path.is_file(), image.split) for image in images] == [
        ("0", True, None),
        ("7", True, None),
    ]


def test_a_path_that_leads_outside_is_contained(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    write_image(tmp_path / "secret.jpg")
    root = tmp_path / "set"
    write_image(root / "secret.jpg")
    images = [{"id": 0, "file_name": "../secret.jpg"}]
    (root / "a.json").write_text(json.dumps(document(images=images)))
    found, problems = findings(root / "a.json")
    assert [image.path for image in found] == [root / "secret.jpg"]
    assert "path_outside" in [problem.kind for problem in problems]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "bbox", "name"]), inner),
    max_leaves=6,
)


@settings(max_examples=200)
@given(
    st.sampled_from(["images", "categories", "annotations"]),
    st.sampled_from(["id", "image_id", "category_id", "bbox", "file_name", "name", "area", "width", None]),
    VALUES,
)
def test_mutated_documents_are_annotations_or_data_errors(part: str, field: str | None, value: Any) -> None:
    made = document()
    if field is None:
        made[part] = value
    else:
        made[part][0][field] = value
    with suppress(DataError):
        assert isinstance(parse_bytes(json.dumps(made).encode()).images, tuple)


@pytest.mark.parametrize(
    ("segmentation", "box"),
    [
        ([[10, 20, 60, 20, 60, 80], [5, 30, 7, 30, 7, 31]], Box(5, 20, 60, 80)),
        ({"size": [10, 20], "counts": [12, 3, 7, 4, 174]}, Box(1, 2, 3, 6)),
        ({"size": [10, 20], "counts": [15, 7, 178]}, Box(1, 0, 3, 10)),
        ({"size": [10, 20], "counts": [200]}, None),
        ({"size": [10, 20], "counts": [5]}, None),
    ],
)
def test_without_a_bbox_the_segmentation_gives_the_box(segmentation: Any, box: Box | None) -> None:
    items = [{"id": 1, "image_id": 0, "category_id": 5, "segmentation": segmentation}]
    parsed = parse(annotations=items)
    assert [item.box for item in parsed.images[0].objects] == ([box] if box else [])
    assert len(parsed.problems) == (0 if box else 1)


def test_numbers_may_be_text() -> None:
    items = [{"id": "1", "image_id": "0", "category_id": "5", "bbox": ["1", "2.5", "3", "4"], "area": "12"}]
    items[0]["iscrowd"] = "1"
    item = parse(annotations=items).images[0].objects[0]
    assert (item.box, item.area, item.is_crowd) == (Box(1, 2.5, 4, 6.5), 12, True)


def test_ids_are_the_same_as_whole_numbers_floats_and_text() -> None:
    items = [{"id": 1, "image_id": 7.0, "category_id": " 5 ", "bbox": [1, 2, 3, 4]}]
    assert [image.id for image in parse(annotations=items).images if image.objects] == ["7"]


def test_two_entries_with_one_file_are_one_image() -> None:
    images = [{"id": 0, "file_name": "a.jpg"}, {"id": 4, "file_name": "a.jpg"}]
    items = [{"id": key, "image_id": key, "category_id": 5, "bbox": [key, 0, 5, 5]} for key in (0, 4)]
    (image,) = parse(images=images, annotations=items).images
    assert [item.box.xmin for item in image.objects] == [0, 4]


def test_the_address_names_the_image_where_lvis_has_no_file_name() -> None:
    address = "http://images.cocodataset.org/train2017/000000000009.jpg"
    (image,) = parse(images=[{"id": 0, "coco_url": address}]).images
    assert image.file_name == "train2017/000000000009.jpg"


def test_keys_in_the_middle_of_a_large_file_are_seen(tmp_path: Path) -> None:
    middle = document()["images"] + [{"id": number, "file_name": f"{number}.jpg"} for number in range(9, 5000)]
    large = {"info": "x" * 70_000, "images": middle, "annotations": [], "categories": ["x" * 70_000]}
    (tmp_path / "a.json").write_text(json.dumps(large))
    assert coco.detect(tmp_path)


@pytest.mark.parametrize("more", [False, True])
def test_a_file_for_all_beside_those_of_the_splits_is_read_only_for_what_they_lack(tmp_path: Path, more: bool) -> None:
    names = {"train": ["a"], "val": ["b"], "all": ["a", "b", *(["c"] if more else [])]}
    for file, stems in names.items():
        images = [{"id": number, "file_name": f"{stem}.jpg"} for number, stem in enumerate(stems)]
        (tmp_path / f"{file}.json").write_text(json.dumps(document(images=images)))
    images, problems = findings(tmp_path)
    own = [(image.path.stem, image.split) for image in images if image.split]
    assert own == [("a", "train"), ("b", "val")]
    assert [image.path.stem for image in images if not image.split] == (["a", "b", "c"] if more else [])
    assert ("file_skipped" in {problem.kind for problem in problems}) is not more


@pytest.mark.parametrize("stems", ["ab", "a"])
def test_a_file_of_another_kind_is_read_where_it_has_further_images(tmp_path: Path, stems: str) -> None:
    for file, names in {"instances_default": "a", "labels": stems}.items():
        images = [{"id": number, "file_name": f"{stem}.jpg"} for number, stem in enumerate(names)]
        (tmp_path / f"{file}.json").write_text(json.dumps(document(images=images)))
    images, problems = findings(tmp_path)
    assert "".join(image.path.stem for image in images) == ("aab" if stems == "ab" else "a")
    skipped = [problem for problem in problems if problem.kind == "file_skipped"]
    assert [problem.file.name for problem in skipped] == ([] if stems == "ab" else ["labels.json"])


def test_equal_names_in_another_folder_are_not_taken_for_the_same_images(
    tmp_path: Path, write_image: Callable[..., Path]
) -> None:
    for place, name in (("a", "instances.json"), ("b", "person_keypoints.json")):
        write_image(tmp_path / place / "a.jpg")
        (tmp_path / place / name).write_text(json.dumps(document(images=[{"id": 0, "file_name": "a.jpg"}])))
    images, _ = findings(tmp_path)
    assert sorted(image.path.parent.name for image in images) == ["a", "b"]
