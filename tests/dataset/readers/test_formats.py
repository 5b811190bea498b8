"""Every real layout at hand is read as its own format, and whole.

The numbers were counted by hand in the annotation files: boxes and polygons with a label.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers import format_choice
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
_BOX = "1 2 30 40"
_KITTI = "Car 0.00 0 1.85 1 2 30 40 1.67 1.87 3.69 -16.53 2.39 58.49 1.57"
MADE = {
    "dota": {
        "labelTxt/a.txt": "imagesource:GoogleEarth\ngsd:0.1\n1 2 30 2 30 40 1 40 ship 0\n",
        "classes.txt": "ship\n",
    },
    "kitti": {"labels/a.txt": f"{_KITTI}\n", "labels/b.txt": ""},
    "labelme": {
        "a.json": '{"shapes": [{"label": "c", "points": [[1, 2], [30, 40]], "shape_type": "rectangle"}], '
        '"imagePath": "a.jpg", "imageData": null, "imageHeight": 48, "imageWidth": 64}'
    },
    "openimages": {
        "train/labels/detections.csv": "ImageID,LabelName,XMin,XMax,YMin,YMax\na,/m/1,0.1,0.5,0.2,0.6\n",
        "train/metadata/classes.csv": "/m/1,Cat\n",
    },
    "retinanet_csv": {"train.csv": "images/a.jpg,1,2,30,40,cat\nimages/b.jpg,,,,,\n", "classes.csv": "cat,0\n"},
    "wider_face": {
        "wider_face_split/wider_face_val_bbx_gt.txt": f"0--P/a.jpg\n1\n{_BOX} 0 0 0 0 0 0\n",
        "wider_face_split/wider_face_test_filelist.txt": "0--P/z.jpg\n",
    },
    "yolo_keras": {"train.txt": "images/b.jpg\nimages/a.jpg 1,2,30,40,0\n", "classes.txt": "cat\n"},
}
"""Format → files as its usual tools write them, of formats and layouts that are not at hand."""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_read_as_its_format_and_whole(shared_data: Path, found: Any, layout: str) -> None:
    name, images, objects = LAYOUTS[layout]
    source = Source(shared_data / "formats" / layout)
    (choice,) = format_choice.choose(source)
    assert choice.name == name
    read, _ = found(choice.reader.read, source)
    assert (len(read), sum(len(image.objects) for image in read)) == (images, objects)


@pytest.mark.parametrize("layout", WITHOUT_BOXES)
def test_a_layout_without_boxes_says_so(shared_data: Path, found: Any, layout: str) -> None:
    source = Source(shared_data / "formats" / layout)
    (choice,) = format_choice.choose(source)
    assert choice.name == WITHOUT_BOXES[layout]
    with pytest.raises(DataError, match="boxes") as error:
        found(choice.reader.read, source)
    assert error.value.hint


def test_no_layout_at_hand_is_left_out(shared_data: Path) -> None:
    known = {shared_data / "formats" / layout for layout in (*LAYOUTS, *WITHOUT_BOXES)}
    for file in (shared_data / "formats").rglob("*"):
        assert file.is_dir() or file.name == "LICENSE.datumaro" or known & set(file.parents), file


@pytest.mark.parametrize("name", MADE)
def test_a_usual_layout_is_seen_as_its_format_and_no_other(
    tmp_path: Path, write_image: Callable[..., Path], found: Any, name: str
) -> None:
    for file, text in MADE[name].items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    write_image(tmp_path / "images/0--P/a.jpg" if name == "wider_face" else tmp_path / "images/a.jpg")
    (choice,) = format_choice.choose(Source(tmp_path))
    assert choice.name == name
    images, problems = found(choice.reader.read, Source(tmp_path))
    assert [len(image.objects) for image in images if image.path.exists()] == [1]
    assert {problem.kind for problem in problems} <= {"file_skipped"}
