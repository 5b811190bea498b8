"""Open Images as it is published, and as tools that download parts of it leave it."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.readers.common import rows
from odtool.dataset.readers.tables import openimages
from odtool.dataset.types import Box, ObjectAnnotation, Source
from odtool.errors import DataError

PATH = Path("train-annotations-bbox.csv")
HEADER = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
ROW = "a,xclick,/m/01,1,0.1,0.5,0.2,0.75,0,0,0,0,0"


def parse(data: bytes, problems: list[tuple[str, str]] | None = None) -> list[tuple[ObjectAnnotation, ...]]:
    problems = [] if problems is None else problems
    columns = openimages.parse_columns(data.decode("utf-8", "replace").split("\n"), PATH)
    groups = rows.group_rows(io.BytesIO(data), PATH, problems, header=True)
    return [openimages.parse(group, columns, PATH, problems) for group in groups]


@pytest.fixture
def make(tmp_path: Path, write_image: Callable[..., Path]) -> Callable[..., Path]:
    """make(files, images): a folder with text files and images."""

    def made(files: dict[str, str], images: list[str]) -> Path:
        for name, text in files.items():
            (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "set" / name).write_text(text)
        for name in images:
            write_image(tmp_path / "set" / name)
        return tmp_path / "set"

    return made


def test_a_row_is_x_first_and_then_y() -> None:
    assert parse(f"{HEADER}\n{ROW}\n".encode()) == [(ObjectAnnotation("/m/01", Box(0.1, 0.2, 0.5, 0.75)),)]


def test_flags_are_read_and_minus_one_is_unknown() -> None:
    ((item, other),) = parse(f"{HEADER}\n{ROW[:-9]}1,1,1,1,0\n{ROW[:-9]}-1,-1,-1,-1,-1\n".encode())
    assert (item.occluded, item.truncated, item.group_of) == (True, True, True)
    assert (other.occluded, other.truncated, other.group_of) == (False, False, False)


def test_columns_may_be_few_and_in_another_order() -> None:
    text = b"ImageID,XMin,YMin,XMax,YMax,LabelName\na,0.1,0.2,0.5,0.75,cat\n"
    assert parse(text) == [(ObjectAnnotation("cat", Box(0.1, 0.2, 0.5, 0.75)),)]


def test_decimal_commas_are_read_and_columns_in_any_letter_case() -> None:
    text = b'imageid,labelname,xmin,xmax,ymin,ymax\na,cat,"0,1","0,5","0,2","0,75"\n'
    assert parse(text) == [(ObjectAnnotation("cat", Box(0.1, 0.2, 0.5, 0.75)),)]


def test_an_image_may_be_named_in_other_letter_case(make: Callable[..., Path], found: Any) -> None:
    text = "ImageID,LabelName,XMin,XMax,YMin,YMax\nimg_1,cat,0.1,0.5,0.2,0.7\ntwo.JPG,cat,0.1,0.5,0.2,0.7\n"
    root = make({"boxes.csv": text}, ["images/IMG_1.JPG", "images/two.jpg", "images/Three.jpg"])
    images, _ = found(openimages.read, Source(root))
    assert {image.path.name: len(image.objects) for image in images} == {"IMG_1.JPG": 1, "two.jpg": 1, "Three.jpg": 0}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{HEADER}\n{ROW}\na,xclick\n", "bbox.csv:3: broken CSV: 2 cells, 13 columns"),
        (f"{HEADER}\n{ROW.replace('0.5', 'x')}\n", "bbox.csv:2: broken CSV: xmax is 'x', not a number"),
        ("ImageID,LabelName\n", "bbox.csv:1: no column 'XMin'"),
        ("LabelName,ImageID,XMin,XMax,YMin,YMax\n", "bbox.csv:1: the first column is 'LabelName'"),
    ],
)
def test_a_broken_row_is_named_with_its_line(text: str, says: str, fault: Any) -> None:
    assert says in fault(lambda problems: parse(text.encode(), problems), PATH)


def test_a_box_without_class_and_a_broken_row_leave_the_others() -> None:
    problems: list[tuple[str, str]] = []
    text = "\n".join([HEADER, ROW.replace("/m/01", ""), ROW.replace("0.5", "x"), ROW])
    assert parse(text.encode(), problems) == [(ObjectAnnotation("/m/01", Box(0.1, 0.2, 0.5, 0.75)),)]
    assert [(kind, detail[:7]) for kind, detail in problems] == [
        ("label_missing", "line 2:"),
        ("record_broken", "line 3:"),
    ]


@pytest.mark.parametrize("header", ["", "LabelName,DisplayName\n"])
def test_names_of_classes_have_a_header_or_none(header: str) -> None:
    lines = rows.number_lines(io.BytesIO(f'{header}/m/01,"Tart, pastry"\n/m/02,Dog\n'.encode()), PATH, [])
    assert list(openimages.parse_names(lines, PATH)) == [("/m/01", "Tart, pastry"), ("/m/02", "Dog")]


def test_the_real_v6_set(shared_data: Path, found: Any) -> None:
    images, problems = found(openimages.read, Source(shared_data / "formats/open_images_dataset/v6"))
    assert {image.path.name: (image.split, [item.label for item in image.objects]) for image in images} == {
        "a.jpg": ("train", []),
        "b.jpg": ("train", ["Generic label #0"]),
        "c.jpg": ("test", ["Generic label #3"]),
    }
    assert {image.unit for image in images} == {"fraction"}
    # d.png is of the validation split, for which there is no table of boxes.
    assert [problem.file.name for problem in problems if "split without" in problem.detail] == ["validation"]
    assert len([problem for problem in problems if problem.kind == "file_skipped"]) == 5


def test_tables_without_boxes_are_an_error_that_says_what_is_missing(shared_data: Path, found: Any) -> None:
    source = Source(shared_data / "formats/open_images_dataset/v5")
    assert openimages.detect(source.path)
    with pytest.raises(DataError, match="none with boxes") as error:
        found(openimages.read, source)
    assert "train-annotations-bbox.csv" in error.value.hint


def test_missing_images_are_counted_and_a_class_without_name_keeps_its_id(
    make: Callable[..., Path], found: Any
) -> None:
    table = "\n".join([HEADER, ROW, ROW.replace("a,", "gone,", 1), ROW.replace("a,", "b,", 1).replace("/m/01", "/m/9")])
    root = make(
        {"train-annotations-bbox.csv": table, "class-descriptions-boxable.csv": "/m/01,Cat\n"},
        ["train/a.jpg", "train/b.JPG", "train/c.jpg"],
    )
    images, problems = found(openimages.read, Source(root))
    assert {image.path.name: [item.label for item in image.objects] for image in images} == {
        "a.jpg": ["Cat"],
        "b.JPG": ["/m/9"],
        "c.jpg": [],
    }
    assert [(problem.kind, problem.detail) for problem in problems] == [
        ("image_missing", "line 3: no image 'gone'"),
        ("class_unnamed", "'/m/9' has no name in the table of classes"),
    ]


def test_an_image_in_two_folders_of_classes_is_one_image_and_no_background(
    make: Callable[..., Path], found: Any
) -> None:
    root = make({"csv/train-annotations-bbox.csv": f"{HEADER}\n{ROW}\n"}, ["train/Cat/a.jpg", "train/Dog/a.jpg"])
    images, _ = found(openimages.read, Source(root))
    assert [image.path.parent.name for image in images] == ["Cat"]


def test_a_missing_image_is_not_taken_from_the_folder_of_another_split(make: Callable[..., Path], found: Any) -> None:
    table = {"train-annotations-bbox.csv": f"{HEADER}\n{ROW}\n{ROW.replace('a,', 'b,', 1)}\n"}
    root = make(table, ["train/b.jpg", "validation/a.jpg"])
    images, problems = found(openimages.read, Source(root))
    assert [image.path.name for image in images if image.objects] == ["b.jpg"]
    assert "image_missing" in [problem.kind for problem in problems]
    (root / "train").rename(root / "pictures")
    images, _ = found(openimages.read, Source(root))
    assert [image.path.name for image in images if image.objects] == ["a.jpg", "b.jpg"]


def test_an_id_cannot_lead_out_of_the_folders(make: Callable[..., Path], found: Any) -> None:
    root = make(
        {"train-annotations-bbox.csv": f"{HEADER}\n../secret{ROW[1:]}\n", "../secret.jpg": "x"}, ["train/b.jpg"]
    )
    images, problems = found(openimages.read, Source(root))
    assert [image.path.name for image in images] == ["b.jpg"]
    assert [problem.kind for problem in problems if problem.kind != "class_unnamed"] == ["image_missing"]


def test_the_layout_of_fiftyone_and_images_beside_a_named_file(make: Callable[..., Path], found: Any) -> None:
    root = make(
        {"train/labels/detections.csv": f"{HEADER}\n{ROW}\n", "train/metadata/classes.csv": "/m/01,Cat\n"},
        ["train/data/a.jpg"],
    )
    images, _ = found(openimages.read, Source(root))
    assert [(image.split, image.objects[0].label, image.source_id) for image in images] == [("train", "Cat", "a")]
    named = Source(root / "train/labels/detections.csv", images=root / "train/data")
    assert [image.path.name for image in found(openimages.read, named)[0]] == ["a.jpg"]


@given(st.data())
def test_any_table_gives_objects_or_a_data_error(mutated: Any, data: st.DataObject) -> None:
    with suppress(DataError):
        parse(data.draw(mutated(f"{HEADER}\n{ROW}\nb{ROW[1:]}\n{ROW}\n")))
