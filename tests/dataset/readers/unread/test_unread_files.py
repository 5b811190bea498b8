"""What is said of files from which nothing was read, beside others from which something was."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.inspect.inspection import InspectSettings, inspect
from odtool.dataset.prepare import PrepareSettings, prepare
from odtool.dataset.types import Problem, Source
from odtool.errors import DataError


@pytest.fixture
def small_set(tmp_path: Path, write_image: Callable[..., Path], voc_xml: Callable[..., str]) -> Path:
    """Twelve images with VOC files, of which the last has none."""
    root = tmp_path / "set"
    for number in range(12):
        write_image(root / f"img{number:02d}.jpg", comment=str(number))
        if number < 11:
            (root / f"img{number:02d}.xml").write_text(voc_xml(f"img{number:02d}.jpg", [("cat", 8, 12, 40, 36)]))
    return root


def found(root: Path, **options: Any) -> list[Problem]:
    """Problems by prepare, other than those of sets as small as these; inspect says the same."""
    prepared = prepare(PrepareSettings((Source(root),), root.parent / "data", val=0, workers=1, **options))
    inspected = inspect(InspectSettings((Source(root),), workers=1))
    counts = {kind: problem.count for kind, problem in prepared.summary.problems.items()}
    assert counts == {item.kind: item.count for item in inspected.problems}
    kinds = ("file_unread", "list_unused", "split_unused")
    return [problem for item in inspected.problems for problem in item.examples if item.kind in kinds]


_UNKNOWN = json.dumps({"objs": [{"c": "cat", "r": [8, 12, 40, 36]}]})


@pytest.mark.parametrize(
    ("name", "text", "kind", "says"),
    [
        ("img11.json", _UNKNOWN, "file_unread", "JSON with the keys objs, which odtool does not read"),
        ("img11.txt", "0 0.5 0.5 0.2 0.2\n", "file_unread", "YOLO, but nothing names its classes"),
        ("all.json", json.dumps({"img11": [1, 2, 3, 4]}), "file_unread", "JSON with the keys img11"),
        ("boxes.tsv", "pic\tl\tt\tr\tb\nimg11.jpg\t1\t2\t3\t4\n", "file_unread", "CSV with the columns pic"),
        ("old/img03.dat.json", '{"openlabel": {"frames": {}}}', "file_unread", "OpenLABEL JSON"),
        ("train.txt", "img00\nimg01\nimg02\n", "split_unused", "a list of images for train"),
        ("lists/val.txt", "./img00.jpg\n../img01.jpg\n", "split_unused", "a list of images for val"),
        ("good.txt", "img00.jpg\nimg01.jpg\n", "list_unused", "a list of images of the set"),
    ],
)
def test_what_speaks_of_the_images_and_is_not_read_is_named(
    small_set: Path, name: str, text: str, kind: str, says: str
) -> None:
    (small_set / name).parent.mkdir(exist_ok=True)
    (small_set / name).write_text(text)
    (problem,) = found(small_set)
    assert (problem.kind, problem.file) == (kind, small_set / name)
    assert problem.detail.startswith(says)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("README.txt", "Twelve images of 64 x 48 pixels, in 1 folder, of 2 cats\n"),
        ("config.json", '{"lr": [0.1, 0.01, 0.001, 0.0001], "name": "run"}'),
        ("classes.txt", "cat\ndog\n"),
        ("metadata.csv", "camera,iso,f\nx100,200,2.8\n"),
        ("pom.xml", "<project><version>1.2</version></project>"),
        ("empty.txt", ""),
        ("data.problems.csv", "kind,level,file,detail,action\nimage_gray,info,img00.jpg,one channel,kept\n"),
    ],
)
def test_what_has_nothing_to_do_with_the_images_is_passed_over(small_set: Path, name: str, text: str) -> None:
    (small_set / name).write_text(text)
    assert found(small_set) == []


def test_files_of_a_kind_in_a_folder_are_one_problem(small_set: Path) -> None:
    (small_set / "other").mkdir()
    for number in range(5):
        (small_set / "other" / f"img{number:02d}.json").write_text(_UNKNOWN)
    (problem,) = found(small_set)
    assert problem.file == small_set / "other" / "img00.json"
    assert problem.detail.endswith("; and 4 more in this folder")


def test_pipes_and_devices_among_annotations_are_named_and_not_waited_for(small_set: Path) -> None:
    os.mkfifo(small_set / "img11.xml")
    os.mkfifo(small_set / "img12.xml")
    os.mkfifo(small_set / "socket")
    (small_set / "all.json").symlink_to("/dev/zero")
    device, pipes = sorted(found(small_set), key=lambda problem: str(problem.file))
    assert (device.kind, device.file, device.detail) == (
        "file_unread",
        small_set / "all.json",
        "it is a device, not a file",
    )
    assert (pipes.kind, pipes.file) == ("file_unread", small_set / "img11.xml")
    assert pipes.detail == "it is a named pipe, not a file; and 1 more in this folder"


def test_under_strict_an_unread_annotation_refuses(small_set: Path) -> None:
    (small_set / "img11.json").write_text(_UNKNOWN)
    with pytest.raises(DataError, match=r"refused by --strict: 1 file_unread\. First: .*img11\.json"):
        found(small_set, strict=True)


def test_a_format_that_shows_only_when_all_is_read_is_read_too(
    tmp_path: Path, write_image: Callable[..., Path], voc_xml: Callable[..., str]
) -> None:
    """Detection looks into some files of each folder; the others are seen when nothing was read from them."""
    root = tmp_path / "set"
    for number in range(60):
        write_image(root / f"{number:03d}.jpg", comment=str(number))
    polygon = "<polygon><pt><x>8</x><y>12</y></pt><pt><x>40</x><y>12</y></pt><pt><x>40</x><y>36</y></pt></polygon>"
    for number in range(60):
        text = voc_xml(f"{number:03d}.jpg", [("cat", 8, 12, 40, 36)])
        if number == 45:
            text = f"<annotation><filename>045.jpg</filename><object><name>cat</name>{polygon}</object></annotation>"
        (root / f"{number:03d}.xml").write_text(text)
    prepared = prepare(PrepareSettings((Source(root),), tmp_path / "data", val=0, workers=1))
    assert prepared.summary.format == "labelme_xml+voc"
    assert [choice.name for choice in prepared.choices[0]] == ["labelme_xml", "voc"]
    train = prepared.summary.splits["train"]
    assert (train.images, train.background_images, train.objects) == (60, 0, 60)


def test_a_format_of_which_no_image_is_there_is_named_and_not_in_the_way(small_set: Path) -> None:
    images = [{"id": number, "file_name": f"else{number}.jpg"} for number in range(3)]
    boxes = [{"id": number, "image_id": number, "category_id": 1, "bbox": [1, 2, 3, 4]} for number in range(3)]
    document = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "cat"}]}
    (small_set / "other.json").write_text(json.dumps(document))
    (problem,) = found(small_set)
    assert (problem.kind, problem.detail) == ("file_unread", "none of the 3 images that it names is here")
    assert problem.file == small_set / "other.json"


def test_files_without_boxes_are_named_and_not_in_the_way(small_set: Path) -> None:
    captions = [{"id": 1, "image_id": 1, "caption": "a cat"}]
    document = {"images": [{"id": 1, "file_name": "img00.jpg"}], "annotations": captions, "info": {}}
    (small_set / "captions.json").write_text(json.dumps(document))
    prepared = prepare(PrepareSettings((Source(small_set),), small_set.parent / "data", val=0, workers=1))
    assert prepared.summary.format == "voc"
    assert prepared.first["file_skipped"].file == small_set / "captions.json"


def test_a_named_format_is_read_alone_and_nothing_else_is_looked_for(small_set: Path) -> None:
    (small_set / "img11.json").write_text(_UNKNOWN)
    settings = PrepareSettings((Source(small_set),), small_set.parent / "data", val=0, workers=1, format="voc")
    assert "file_unread" not in prepare(settings).summary.problems
