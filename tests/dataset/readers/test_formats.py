"""Every real layout at hand is read as its own format, and whole.

The numbers were counted by hand in the annotation files: boxes and polygons with a label.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from odtool.dataset import readers
from odtool.dataset.types import Source
from odtool.errors import DataError

LAYOUTS = {
    "coco_dataset/coco": ("coco", 2, 3),
    "coco_dataset/coco_instances": ("coco", 2, 3),
    "coco_dataset/coco_person_keypoints": ("coco", 2, 3),
    "coco_dataset/coco_roboflow": ("coco", 2, 3),
    "coco_dataset/coco_stuff": ("coco", 2, 2),
    "coco_dataset/mmdet_coco": ("coco", 2, 3),
    "cvat_dataset/for_images/export_project": ("cvat", 6, 6),
    "cvat_dataset/for_images/export_task": ("cvat", 2, 1),
    "cvat_dataset/for_video": ("cvat", 3, 1),
    "dota_dataset": ("dota", 3, 4),
    "kitti_dataset/kitti_detection": ("kitti", 2, 5),
    "labelme_dataset": ("labelme_xml", 1, 7),
    "open_images_dataset/v6": ("openimages", 3, 2),
    "tf_detection_api_dataset": ("tfrecord", 3, 3),
    "voc_dataset/voc_dataset1": ("voc", 1, 2),
    "voc_dataset/voc_dataset2": ("voc", 5, 4),
    "voc_dataset/voc_dataset3": ("voc", 1, 1),
    "yolo_dataset/annotations": ("yolo", 1, 2),
    "yolo_dataset/labels": ("yolo", 2, 4),
    "yolo_dataset/strict": ("yolo", 1, 2),
}
"""Folder → format, images, objects."""
WITHOUT_BOXES = {
    "coco_dataset/coco_captions": "coco",
    "coco_dataset/coco_image_info": "coco",
    "coco_dataset/coco_labels": "coco",
    "coco_dataset/coco_panoptic": "coco",
    "open_images_dataset/v5": "openimages",
}
"""Folder → format that is seen, but has nothing to detect in it."""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_read_as_its_format_and_whole(shared_data: Path, found: Any, layout: str) -> None:
    name, images, objects = LAYOUTS[layout]
    source = Source(shared_data / "formats" / layout)
    choice = readers.choose(source)
    assert (choice.name, choice.others) == (name, ())
    read, _ = found(choice.reader.read, source)
    assert (len(read), sum(len(image.objects) for image in read)) == (images, objects)


@pytest.mark.parametrize("layout", WITHOUT_BOXES)
def test_a_layout_without_boxes_says_so(shared_data: Path, found: Any, layout: str) -> None:
    source = Source(shared_data / "formats" / layout)
    choice = readers.choose(source)
    assert (choice.name, choice.others) == (WITHOUT_BOXES[layout], ())
    with pytest.raises(DataError, match="boxes") as error:
        found(choice.reader.read, source)
    assert error.value.hint


def test_no_layout_at_hand_is_left_out(shared_data: Path) -> None:
    known = {shared_data / "formats" / layout for layout in (*LAYOUTS, *WITHOUT_BOXES)}
    for file in (shared_data / "formats").rglob("*"):
        assert file.is_dir() or file.name == "LICENSE.datumaro" or known & set(file.parents), file
