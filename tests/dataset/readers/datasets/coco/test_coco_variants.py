"""Sets in COCO's form with habits of their own: LVIS and Objects365."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from odtool.dataset.readers.datasets.coco import coco
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.types import Box, Source


def write(file: Path, **document: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document))


def lvis_image(number: int, folder: str, **more: Any) -> dict[str, Any]:
    name = f"{number:012d}.jpg"
    return {
        "date_captured": "2013-11-14 17:02:52",
        "neg_category_ids": [2],
        "license": 4,
        "height": 48,
        "flickr_url": "http://farm9.staticflickr.com/x.jpg",
        "coco_url": f"http://images.cocodataset.org/{folder}/{name}",
        "width": 64,
        "not_exhaustive_category_ids": [],
        "id": number,
        **more,
    }


def test_lvis_names_images_by_address_and_its_validation_lies_in_cocos_training_folder_too(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for folder, number in (("train2017", 1), ("train2017", 2), ("val2017", 3)):
        write_image(tmp_path / folder / f"{number:012d}.jpg")
    categories = [
        {"id": 1, "name": "aerosol_can", "synset": "aerosol.n.02", "frequency": "c", "synonyms": ["aerosol_can"]},
        {"id": 3, "name": "airplane", "synset": "airplane.n.01", "frequency": "f", "synonyms": ["airplane"]},
    ]

    def annotation(image: int, category: int) -> dict[str, Any]:
        outline = [[1, 2, 30, 2, 30, 40]]
        return {
            "id": image,
            "image_id": image,
            "category_id": category,
            "bbox": [1, 2, 29, 38],
            "segmentation": outline,
        }

    write(
        tmp_path / "lvis_v1_train.json",
        info={},
        images=[lvis_image(1, "train2017", not_exhaustive_category_ids=[3])],
        annotations=[annotation(1, 3)],
        categories=categories,
    )
    write(
        tmp_path / "lvis_v1_val.json",
        info={},
        images=[lvis_image(2, "train2017"), lvis_image(3, "val2017")],
        annotations=[annotation(2, 1), annotation(3, 3)],
        categories=categories,
    )
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "coco"
    images, problems = found(choice.reader.read, Source(tmp_path, masks=True))
    assert [(image.path.parent.name, image.split, image.match) for image in images] == [
        ("train2017", "train", "named"),
        ("train2017", "val", "named"),
        ("val2017", "val", "named"),
    ]
    assert all(image.path.exists() for image in images)
    assert [(item.label, item.box) for image in images for item in image.objects] == [
        ("airplane", Box(1, 2, 30, 40)),
        ("aerosol_can", Box(1, 2, 30, 40)),
        ("airplane", Box(1, 2, 30, 40)),
    ]
    assert [(problem.kind, problem.detail[:45]) for problem in problems] == [
        ("entry_ignored", "not_exhaustive_category_ids of 1 images, in w")
    ]


def test_objects365_has_patches_and_groups(tmp_path: Path, write_image: Callable[..., Path], found: Any) -> None:
    for patch, name in (("patch0", "objects365_v1_00000001.jpg"), ("patch16", "objects365_v2_00900001.jpg")):
        write_image(tmp_path / "train" / patch / name)
    images = [
        {"id": 1, "file_name": "images/v1/patch0/objects365_v1_00000001.jpg", "width": 64, "height": 48, "license": 5},
        {"id": 2, "file_name": "images/v2/patch16/objects365_v2_00900001.jpg", "width": 64, "height": 48, "license": 3},
    ]
    flags = {"isfake": 0, "isreflected": 0, "area": 1102.0}
    annotations = [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1.5, 2, 29, 38], "iscrowd": 0, **flags},
        {"id": 2, "image_id": 2, "category_id": 1, "bbox": [3, 4, 5, 6], "iscrowd": 1, **flags},
    ]
    categories = [{"id": 1, "name": "Person"}, {"id": 2, "name": "Sneakers"}]
    write(tmp_path / "zhiyuan_objv2_train.json", images=images, annotations=annotations, categories=categories)
    read, problems = found(coco.read, Source(tmp_path))
    assert [(image.path.exists(), image.path.parent.name, image.split) for image in read] == [
        (True, "patch0", "train"),
        (True, "patch16", "train"),
    ]
    assert [(item.label, item.box, item.is_crowd) for image in read for item in image.objects] == [
        ("Person", Box(1.5, 2, 30.5, 40), False),
        ("Person", Box(3, 4, 8, 10), True),
    ]
    assert [problem.kind for problem in problems] == ["class_unused"]
