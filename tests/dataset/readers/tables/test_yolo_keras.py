"""YOLO-Keras and YOLOv4 text."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.readers.tables import yolo_keras
from odtool.dataset.types import Box, ObjectAnnotation, Source
from odtool.errors import DataError

PATH = Path("train.txt")
CLASSES = Path("classes.txt")
LINE = "images/a.jpg 1,2,30,40,0 5.5,6,7,8,1"


def parse(line: str, problems: list[tuple[str, str]] | None = None) -> tuple[str, tuple[ObjectAnnotation, ...]]:
    return yolo_keras.parse(line, PATH, 7, {0: "cat", 1: "dog", 2: ""}, CLASSES, [] if problems is None else problems)


@pytest.mark.parametrize("line", [LINE, LINE.replace(" ", "\t"), LINE.replace(" ", "  "), LINE.replace(",0", ",0.0")])
def test_a_line_is_a_path_and_boxes(line: str) -> None:
    name, objects = parse(line)
    assert name == "images/a.jpg"
    assert [(item.label, item.box) for item in objects] == [("cat", Box(1, 2, 30, 40)), ("dog", Box(5.5, 6, 7, 8))]


def test_a_path_alone_is_background_and_may_have_blanks() -> None:
    assert parse("my images/a 1.jpg") == ("my images/a 1.jpg", ())
    assert parse("my images/a 1.jpg 1,2,3,4,1")[0] == "my images/a 1.jpg"
    assert parse("1,2,3,4,5.jpg 1,2,3,4,1")[0] == "1,2,3,4,5.jpg"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("a.jpg 1,2,3,4,3", "train.txt:7: class 3 has no name in classes.txt"),
        ("a.jpg 1,2,3,4,2", "train.txt:7: class 2 has no name in classes.txt"),
        ("a.jpg 1,2,3,4," + "9" * 400, "train.txt:7: class 999"),
        ("a.jpg 1,2,3,x,1", "train.txt:7: not an image and boxes as x1,y1,x2,y2,class"),
        ("a.jpg 1,2,3,4", "train.txt:7: not an image and boxes as x1,y1,x2,y2,class"),
    ],
)
def test_a_broken_line_is_named(line: str, says: str, fault: Any) -> None:
    assert says in fault(lambda problems: parse(line, problems), PATH)


def test_an_object_whose_class_has_no_name_leaves_the_others() -> None:
    problems: list[tuple[str, str]] = []
    _, objects = parse("a.jpg 1,2,3,4,0 1,2,3,4,9 5,6,7,8,1", problems)
    assert [item.label for item in objects] == ["cat", "dog"]
    assert [kind for kind, _ in problems] == ["class_undefined"]


def test_a_folder_a_split_as_roboflow_exports_it(tmp_path: Path, write_image: Callable[..., Path], found: Any) -> None:
    for split, names in (("train", "cat\ndog\n"), ("valid", "dog\ncat\n")):
        write_image(tmp_path / split / "a.jpg")
        (tmp_path / split / "_annotations.txt").write_text("a.jpg 1,2,30,40,0\n")
        (tmp_path / split / "_classes.txt").write_text(names)
    assert "_annotations.txt" in (yolo_keras.detect(tmp_path) or "")
    images, problems = found(yolo_keras.read, Source(tmp_path))
    assert [(image.path, image.split, image.objects[0].label) for image in images] == [
        (tmp_path / "train/a.jpg", "train", "cat"),
        (tmp_path / "valid/a.jpg", "val", "dog"),
    ]
    assert problems == []


def test_a_file_with_its_classes_one_folder_up(tmp_path: Path, write_image: Callable[..., Path], found: Any) -> None:
    write_image(tmp_path / "lists/images/a.jpg")
    (tmp_path / "coco_classes.txt").write_text("cat\n\n")
    (tmp_path / "lists/train.txt").write_text("/content/images/a.jpg 1,2,3,4,0\n../../b.jpg\n")
    images, problems = found(yolo_keras.read, Source(tmp_path / "lists/train.txt"))
    assert [image.path.name for image in images] == ["a.jpg", "b.jpg"]
    assert images[0].path.is_file()
    assert [problem.kind for problem in problems] == ["path_outside"]


def test_without_classes_it_says_what_to_write(tmp_path: Path, found: Any) -> None:
    (tmp_path / "train.txt").write_text(LINE)
    with pytest.raises(DataError, match="no list of classes") as error:
        found(yolo_keras.read, Source(tmp_path))
    assert "classes.txt" in error.value.hint


@given(st.data())
def test_any_line_gives_objects_or_a_data_error(mutated: Any, data: st.DataObject) -> None:
    with suppress(DataError):
        parse(data.draw(mutated(LINE)).decode("utf-8", "replace"))
