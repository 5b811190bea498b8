"""keras-retinanet's CSV."""

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
from odtool.dataset.readers.tables import retinanet_csv
from odtool.dataset.types import Box, ObjectAnnotation, Source
from odtool.errors import DataError

PATH = Path("train.csv")
TEXT = "a.jpg,1,2,30,40,cat\nb.jpg,,,,,\na.jpg,5,6,7.5,8,dog\n"


def parse(
    data: bytes, classes: set[str] | None = None, problems: list[tuple[str, str]] | None = None
) -> list[tuple[ObjectAnnotation, ...]]:
    problems = [] if problems is None else problems
    groups = rows.group_rows(io.BytesIO(data), PATH, problems, header=False)
    return [retinanet_csv.parse(group, PATH, problems, classes, Path("classes.csv")) for group in groups]


@pytest.mark.parametrize("text", [TEXT, "\ufeff" + TEXT.replace("\n", "\r\n"), TEXT.replace("cat", '"cat"')])
def test_rows_without_a_box_are_background(text: str) -> None:
    cat, dog = ObjectAnnotation("cat", Box(1, 2, 30, 40)), ObjectAnnotation("dog", Box(5, 6, 7.5, 8))
    assert parse(text.encode()) == [(cat, dog), ()]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("a.jpg,1,2,3", "train.csv:2: broken CSV: 4 cells"),
        ("a.jpg,1,x,3,4,cat", "train.csv:2: broken CSV: ymin is 'x', not a number"),
        ("a.jpg,,,,,cat", "train.csv:2: broken CSV: xmin is ''"),
        ("a.jpg,1,2,3,4,cta", "train.csv:2: class 'cta' is not in classes.csv"),
        (",1,2,3,4,cat", "train.csv:2: broken CSV"),
    ],
)
def test_a_broken_row_is_named_with_its_line_and_the_others_are_read(row: str, says: str, fault: Any) -> None:
    text = f"a.jpg,1,2,3,4,cat\n{row}\na.jpg,5,6,7,8,cat\n".encode()
    assert says in fault(lambda problems: parse(text, {"cat"}, problems), PATH)
    assert sum(map(len, parse(text, {"cat"}))) == 2


def test_a_box_without_class_is_left_out_and_counted() -> None:
    problems: list[tuple[str, str]] = []
    assert parse(b"a.jpg,1,2,3,4,\n", None, problems) == [()]
    assert problems == [("label_missing", "line 1: a box in a.jpg without a class")]


def test_files_of_splits_with_a_mapping_of_classes(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for name in ("images/a.jpg", "images/b.jpg"):
        write_image(tmp_path / name)
    (tmp_path / "train.csv").write_text("images/a.jpg,1,2,30,40,cat\n")
    (tmp_path / "val.csv").write_text("images/b.jpg,,,,,\n")
    (tmp_path / "classes.csv").write_text("cat,0\ndog,1\n")
    assert "train.csv" in (retinanet_csv.detect(tmp_path) or "")
    images, problems = found(retinanet_csv.read, Source(tmp_path))
    assert [(image.path.name, image.split, len(image.objects)) for image in images] == [
        ("a.jpg", "train", 1),
        ("b.jpg", "val", 0),
    ]
    assert all(image.path.is_file() for image in images)
    assert [(problem.kind, problem.detail) for problem in problems] == [
        ("class_unused", "'dog' is listed, but has no object")
    ]
    assert len(found(retinanet_csv.read, Source(tmp_path / "val.csv"))[0]) == 1


def test_a_broken_mapping_is_named(tmp_path: Path, found: Any) -> None:
    (tmp_path / "train.csv").write_text(TEXT)
    (tmp_path / "class_mapping.csv").write_text("cat,0\ndog\n")
    with pytest.raises(DataError, match=r"class_mapping\.csv:2: not a class and its number"):
        found(retinanet_csv.read, Source(tmp_path))


def test_a_table_with_a_header_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,1,1,cat,1,1,1,1\n")
    assert retinanet_csv.detect(tmp_path) is None


@given(st.data())
def test_any_table_gives_objects_or_a_data_error(mutated: Any, data: st.DataObject) -> None:
    with suppress(DataError):
        parse(data.draw(mutated(TEXT)), {"cat", "dog"})
