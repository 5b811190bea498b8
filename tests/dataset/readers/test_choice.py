"""Which reader is chosen, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from odtool.dataset.readers import format_choice
from odtool.dataset.readers.registry import READERS
from odtool.dataset.types import Deferred, Source
from odtool.errors import DataError


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("raccoon/annotations", "voc"),
        ("raccoon/raccoon_labels.csv", "tfod_csv"),
        ("formats/coco_dataset/coco_roboflow", "coco"),
        ("formats/voc_dataset/voc_dataset1", "voc"),
        ("formats/voc_dataset/voc_dataset2", "voc"),
        ("formats/yolo_dataset/labels", "yolo"),
        ("formats/yolo_dataset/strict", "yolo"),
        ("formats/yolo_dataset/annotations", "yolo"),
    ],
)
def test_real_sets_are_told_apart_by_looking(shared_data: Path, folder: str, name: str) -> None:
    (choice,) = format_choice.choose(Source(shared_data / folder))
    assert choice.name == name
    assert choice.evidence


@pytest.mark.parametrize(
    "folder",
    [
        "labelme_dataset",
        "cvat_dataset",
        "kitti_dataset",
        "dota_dataset",
        "open_images_dataset",
        "tf_detection_api_dataset",
    ],
)
def test_other_formats_are_not_taken_for_these(shared_data: Path, folder: str) -> None:
    for name in ("coco", "yolo", "voc", "tfod_csv"):
        assert READERS[name].detect(shared_data / "formats" / folder) is None


def test_formats_side_by_side_are_all_read_but_for_records_of_them(shared_data: Path) -> None:
    assert [choice.name for choice in format_choice.choose(Source(shared_data / "raccoon"))] == ["voc", "tfod_csv"]


@pytest.mark.parametrize(("folder", "named", "says"), [("raccoon", "kitti", "KITTI"), ("raccoon", "coco", "COCO JSON")])
def test_a_format_named_of_which_there_is_nothing_is_refused_with_what_there_is(
    shared_data: Path, folder: str, named: str, says: str
) -> None:
    with pytest.raises(DataError, match=f"nothing there looks like {says}") as error:
        format_choice.choose(Source(shared_data / folder), named)
    assert error.value.hint.startswith("It looks like Pascal VOC XML: ")


def test_a_format_named_is_the_format(shared_data: Path) -> None:
    (choice,) = format_choice.choose(Source(shared_data / "raccoon"), "tfod_csv")
    assert choice.name == "tfod_csv"
    with pytest.raises(DataError, match="'vok' is not a format"):
        format_choice.choose(Source(shared_data / "raccoon"), "vok")


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        format_choice.choose(Source(tmp_path / "absent"))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.json", "{broken", "a.json:1: broken JSON"),
        ("a.xml", "<x>\n</y>", "a.xml:2: broken XML"),
        ("data.yaml", "a: [\n", "data.yaml:2: broken YAML"),
    ],
)
def test_where_nothing_is_known_a_broken_document_is_the_reason(
    tmp_path: Path, name: str, content: str, says: str
) -> None:
    (tmp_path / name).write_text(content)
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(DataError) as error:
            format_choice.choose(Source(path))
        assert says in error.value.message


def test_records_and_runs_in_a_workspace_are_passed_over(voc_set: Callable[..., Path]) -> None:
    root = voc_set(2)
    for folder, name in (("data", "dataset.json"), ("data", "label_map.pbtxt"), ("train/run", "pipeline.config")):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / name).write_text('{"odtool": "0.1.0"}')
    (root / "data" / "extra.xml").write_text("<annotation></annotation>")
    found = READERS["voc"].read(Source(root))
    assert sum(item.files for item in found if isinstance(item, Deferred)) == 2


def test_what_was_passed_over_is_named_where_nothing_else_is_found(tmp_path: Path) -> None:
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "pipeline.config").touch()
    with pytest.raises(DataError, match=r"no annotations found; runs/a, which odtool or a training wrote"):
        format_choice.choose(Source(tmp_path))


def test_annotations_with_the_names_of_our_files_are_read(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    write_image(tmp_path / "set" / "a.jpg")
    document = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [], "categories": [{"id": 1, "name": "a"}]}
    (tmp_path / "set" / "dataset.json").write_text(json.dumps(document))
    (tmp_path / "set" / "label_map.pbtxt").write_text("item { id: 1 name: 'a' }")
    (choice,) = format_choice.choose(Source(tmp_path))
    assert choice.name == "coco"


def test_images_alone_are_no_detection_set(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    for name in ("images", "train"):
        write_image(tmp_path / name / "a.jpg")
    with pytest.raises(DataError, match="images in 2 folders, but no annotations found"):
        format_choice.choose(Source(tmp_path))
