"""CSV of Vertex AI and AutoML Vision, laid out as Google's documents have it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from odtool.dataset.readers.common.streams.overflow import Overflow
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.readers.tables import vertex_csv
from odtool.dataset.types import Box, ObjectAnnotation, Source

ROWS = """TRAIN,gs://bucket/a/salad.jpg,Salad,0.0,0.0954,,,0.977,0.957,,
training,gs://bucket/a/salad.jpg,Tomato,0.5,0.25,0.75,0.25,0.75,0.5,0.5,0.5
VALIDATE,gs://bucket/b/cheese.jpg,Cheese,0.1,0.2,,,0.3,0.4,,
TEST,gs://bucket/b/none.jpg
UNASSIGNED,gs://bucket/b/late.jpg,,,,,,,,,
"""


class Table(NamedTuple):
    """What a file says, in memory."""

    images: dict[str, tuple[ObjectAnnotation, ...]]
    unit: str
    splits: dict[str, str]
    problems: tuple[tuple[str, str], ...]


def read_table(text: str | bytes) -> Table:
    data = text if isinstance(text, bytes) else text.encode()
    table = vertex_csv.parse(io.BytesIO(data), Path("a.csv"), Overflow())
    return Table(dict(table), table.unit, table.splits, tuple(table.problems))


def test_two_and_four_vertices_are_read_and_the_use_is_the_split(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for name in ("a/salad", "b/cheese", "b/none", "b/late"):
        write_image(tmp_path / f"{name}.jpg")
    (tmp_path / "import.csv").write_text(ROWS)
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "vertex_csv"
    images, problems = found(choice.reader.read, Source(tmp_path))
    assert problems == []
    assert [(image.path.name, image.split, image.unit) for image in images] == [
        ("salad.jpg", "train", "fraction"),
        ("cheese.jpg", "val", "fraction"),
        ("none.jpg", "test", "fraction"),
        ("late.jpg", None, "fraction"),
    ]
    assert [(item.label, item.box) for item in images[0].objects] == [
        ("Salad", Box(0, 0.0954, 0.977, 0.957)),
        ("Tomato", Box(0.5, 0.25, 0.75, 0.5)),
    ]
    assert images[2].objects == images[3].objects == ()


def test_rows_may_have_no_use() -> None:
    table = read_table(b"a.jpg,cat,0.1,0.2,,,0.3,0.4,,\n")
    assert {name: [item.box for item in objects] for name, objects in table.images.items()} == {
        "a.jpg": [Box(0.1, 0.2, 0.3, 0.4)]
    }
    assert table.splits == {}


@pytest.mark.parametrize(
    "row", ["TRAIN,a.jpg,cat,0.1,x,,,0.3,0.4,,", "TRAIN,a.jpg,cat,0.1", "TRAIN,a.jpg,cat,1,2,,,30,40,,"]
)
def test_a_broken_row_is_told_and_the_others_are_read(row: str) -> None:
    table = read_table(f"{row}\n{ROWS}".encode())
    assert len(table.images) == 4
    assert [kind for kind, _ in table.problems] == ["record_broken"]
    assert table.problems[0][1].startswith("line 1: broken CSV: a row is [use,]image,label")


@pytest.mark.parametrize(
    "text",
    [
        "a.jpg,1,2,30,40,cat\n",
        "a.jpg,,,,,\n",
        "TRAIN,a.jpg,cat\n",
        "a.jpg\n",
        "filename,class\na.jpg,cat\n",
        "",
        "TRAIN,a.jpg\n",
    ],
)
def test_other_rows_are_not_taken_for_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    assert vertex_csv.detect(tmp_path) is None
