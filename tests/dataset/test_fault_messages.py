"""Messages name the file that speaks of what is wrong, and blame the format that it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.inspect.inspection import InspectSettings, inspect
from odtool.dataset.prepare import PrepareSettings, prepare
from odtool.dataset.types import Source
from odtool.errors import DataError

WriteImage = Callable[..., Path]


def refuse(root: Path, **options: Any) -> DataError:
    with pytest.raises(DataError) as error:
        prepare(PrepareSettings((Source(root),), root.parent / "out", val=0, **options))
    return error.value


@pytest.fixture
def root(tmp_path: Path, write_image: WriteImage) -> Path:
    write_image(tmp_path / "set" / "img" / "a.png")
    return tmp_path / "set"


def test_an_image_that_a_darknet_list_names_is_missing_in_the_list(root: Path) -> None:
    (root / "obj.data").write_text(
        "classes = 1\ntrain = data/train.txt\nvalid = data/train.txt\nnames = data/obj.names\n"
    )
    (root / "obj.names").write_text("air\n")
    (root / "train.txt").write_text("data/img/a.png\ndata/img/b.png\n")
    (root / "img" / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    assert refuse(root).message == f"{root / 'train.txt'}:2: no image 'data/img/b.png'"


def test_a_missing_image_is_named_with_the_folders_that_its_annotation_gives(root: Path) -> None:
    images = [{"id": 1, "file_name": "img/a.png"}, {"id": 2, "file_name": "batch_1/x.jpg"}]
    annotations = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}]
    document = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cat"}]}
    (root / "annotations.json").write_text(json.dumps(document))
    message = refuse(root).message
    assert str(root / "batch_1" / "x.jpg") in message
    assert f"named in {root / 'annotations.json'}" in message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("gt_img_1.txt", "377,117,463,117,465,130,378,130,Genaxis Theatre\n"),
        ("img_1.txt", "377,117,463,117,465,130,378,130,###\n493,115,519,115,519,131,493,131,[06]\n"),
        (
            "img_1.txt",
            "".join(f"377,117,463,117,465,130,378,130,{word}\n" for word in ("Exit", "12", "Bar, open", "Go")),
        ),
    ],
)
def test_scene_text_is_not_called_broken_dota(root: Path, name: str, content: str) -> None:
    (root / name).write_text(content)
    error = refuse(root)
    assert error.message.startswith(f"{root / name}: ICDAR's scene text with lines such as '377,117,")
    assert "is no class" in error.hint


def test_tasks_of_several_images_are_label_studios_and_not_broken_coco(root: Path) -> None:
    task = {
        "id": 1,
        "data": {"images": [{"url": "a.png"}, {"url": "b.png"}]},
        "annotations": [{"result": [], "was_cancelled": False}],
    }
    (root / "project.json").write_text(json.dumps([task]))
    error = refuse(root)
    assert "task_skipped" in error.message
    assert "task 1 has a list of images, as a Repeater shows them" in error.hint


def test_coco_without_categories_says_what_is_missing(root: Path) -> None:
    images = [{"id": 1, "file_name": "img/a.png"}]
    annotations = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}]
    (root / "x.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    assert refuse(root).message.startswith(f"{root / 'x.json'}: has no list 'categories', which names the classes")


def test_coco_without_annotations_is_not_background_and_says_what_it_has(root: Path) -> None:
    images = [{"id": 1, "file_name": "img/a.png"}]
    document = {"images": images, "annots": [1], "categories": [{"id": 1, "name": "cat"}]}
    (root / "x.json").write_text(json.dumps(document))
    assert "x.json has no list 'annotations', but images, annots, categories" in refuse(root).message


def test_an_unknown_document_beside_class_folders_is_named_first(tmp_path: Path, write_image: WriteImage) -> None:
    for name in ("cat/a.jpg", "dog/b.jpg"):
        write_image(tmp_path / "set" / name)
    (tmp_path / "set" / "boxes.json").write_text('{"items": [{"label_id": 1}], "categories": {}}')
    assert "boxes.json: Datumaro JSON" in refuse(tmp_path / "set").message


def test_all_documents_that_are_broken_are_named_where_no_format_is_seen(root: Path) -> None:
    for name in ("a.json", "b.xml", "c.json"):
        (root / name).write_text('{"items": [')
    error = refuse(root)
    assert "a.json:1: broken JSON" in error.message
    assert "3 of the 3 files looked into are broken" in error.message
    assert [line.partition(":")[0].rpartition("/")[2] for line in error.details] == ["b.xml", "c.json"]
    with pytest.raises(DataError, match="3 of the 3 files"):
        inspect(InspectSettings((Source(root),)))
