"""Whole sets with masks under the names of the photographs, in each format that looks for images."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers.registry import READERS
from odtool.dataset.types import AnnotatedImage, Deferred, Problem, Source

NAMES = ["1.png", "2.png", "3.png"]
Write = Callable[[Path], None]


def write_coco(root: Path) -> None:
    document = {
        "images": [{"id": number, "file_name": name, "width": 64, "height": 48} for number, name in enumerate(NAMES)],
        "annotations": [
            {"id": number, "image_id": number, "category_id": 1, "bbox": [1, 2, 30, 20]} for number in range(len(NAMES))
        ],
        "categories": [{"id": 1, "name": "cat"}],
    }
    (root / "a.json").write_text(json.dumps(document))


def write_via(root: Path) -> None:
    shape = {"name": "rect", "x": 1, "y": 2, "width": 30, "height": 20}
    region = {"shape_attributes": shape, "region_attributes": {"class": "cat"}}
    sizes = {name: (root / "photographs_with_masks" / name).stat().st_size for name in NAMES}
    document = {
        f"{name}{size}": {"filename": name, "size": size, "regions": [region], "file_attributes": {}}
        for name, size in sizes.items()
    }
    (root / "via.json").write_text(json.dumps(document))


def write_via_csv(root: Path) -> None:
    shape = json.dumps({"name": "rect", "x": 1, "y": 2, "width": 30, "height": 20}).replace('"', '""')
    rows = ["filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"]
    for name in NAMES:
        size = (root / "photographs_with_masks" / name).stat().st_size
        rows.append(f'{name},{size},"{{}}",1,0,"{shape}","{{""class"": ""cat""}}"')
    (root / "via.csv").write_text("\n".join(rows))


def write_voc(root: Path) -> None:
    (root / "Annotations").mkdir()
    for name in NAMES:
        box = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>31</xmax><ymax>22</ymax></bndbox>"
        text = f"<annotation><filename>{name}</filename><object><name>cat</name>{box}</object></annotation>"
        (root / "Annotations" / name.replace("png", "xml")).write_text(text)


def write_cvat(root: Path) -> None:
    box = '<box label="cat" occluded="0" xtl="1" ytl="2" xbr="31" ybr="22"/>'
    images = (
        f'<image id="{number}" name="{name}" width="64" height="48">{box}</image>' for number, name in enumerate(NAMES)
    )
    meta = "<version>1.1</version><meta><task><name>t</name></task></meta>"
    (root / "annotations.xml").write_text(f"<annotations>{meta}{''.join(images)}</annotations>")


def write_hf(root: Path) -> None:
    rows = ({"file_name": name, "objects": {"bbox": [[1, 2, 30, 20]], "category": ["cat"]}} for name in NAMES)
    (root / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))


def write_csv(root: Path) -> None:
    header = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
    (root / "labels.csv").write_text(header + "".join(f"{name},64,48,cat,1,2,31,22\n" for name in NAMES))


def write_retinanet(root: Path) -> None:
    (root / "labels.csv").write_text("".join(f"{name},1,2,31,22,cat\n" for name in NAMES))


def write_kitti(root: Path) -> None:
    (root / "label_2").mkdir()
    for name in NAMES:
        line = "Car 0 0 0 1 2 31 22 1 1 1 1 1 1 0\n"
        (root / "label_2" / name.replace("png", "txt")).write_text(line)


def read(name: str, root: Path) -> Iterator[AnnotatedImage | Problem]:
    for item in READERS[name].read(Source(root)):
        if isinstance(item, Deferred):
            yield from item.parse(*item.arguments)
        else:
            yield item


@pytest.mark.parametrize("masks", ["masks", "SegmentationClass", "a_gray"])
@pytest.mark.parametrize(
    ("reader", "write"),
    [
        ("coco", write_coco),
        ("voc", write_voc),
        ("cvat", write_cvat),
        ("hf_imagefolder", write_hf),
        ("tfod_csv", write_csv),
        ("retinanet_csv", write_retinanet),
        ("kitti", write_kitti),
    ],
)
def test_the_photographs_are_read_and_the_masks_are_told(
    tmp_path: Path, write_image: Callable[..., Path], reader: str, write: Write, masks: str
) -> None:
    for name in NAMES:
        write_image(tmp_path / masks / name, mode="L")
        write_image(tmp_path / "photographs" / name)
    write(tmp_path)
    items = list(read(reader, tmp_path))
    images = [item for item in items if isinstance(item, AnnotatedImage)]
    assert sorted(image.path for image in images) == [tmp_path / "photographs" / name for name in NAMES]
    assert {image.match for image in images} <= {"named", "namesake"}
    problems: list[Any] = [(item.kind, item.file) for item in items if isinstance(item, Problem)]
    assert problems == [("image_namesakes", tmp_path / masks)]


@pytest.mark.parametrize("write", [write_via, write_via_csv])
def test_the_size_that_via_states_says_which_folder_is_meant(
    tmp_path: Path, write_image: Callable[..., Path], write: Write
) -> None:
    for name in NAMES:
        write_image(tmp_path / "masks" / name, 640, 480, "L")
        write_image(tmp_path / "photographs_with_masks" / name)
    write(tmp_path)
    images = [item for item in read("via", tmp_path) if isinstance(item, AnnotatedImage)]
    assert sorted(image.path.parent.name for image in images) == ["photographs_with_masks"] * 3


@pytest.mark.parametrize("reader", ["voc", "labelme"])
def test_the_size_or_folder_that_annotation_files_state_says_which_is_meant(
    tmp_path: Path, write_image: Callable[..., Path], reader: str
) -> None:
    for name in NAMES:
        write_image(tmp_path / "a" / name, 32, 24)
        write_image(tmp_path / "b" / name, 640, 480)
    (tmp_path / "said").mkdir()
    shape = {"label": "cat", "points": [[1, 2], [31, 22]], "shape_type": "rectangle"}
    for name in NAMES:
        if reader == "voc":
            folder = "<folder>shots/b</folder>"
            (tmp_path / "said" / name.replace("png", "xml")).write_text(
                f"<annotation>{folder}<filename>{name}</filename></annotation>"
            )
        else:
            document = {"shapes": [shape], "imagePath": name, "imageWidth": 640, "imageHeight": 480}
            (tmp_path / "said" / name.replace("png", "json")).write_text(json.dumps(document))
    images = [item for item in read(reader, tmp_path) if isinstance(item, AnnotatedImage)]
    assert [image.path.parent.name for image in images] == ["b"] * 3
