"""Boxes in one cell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.readers.tables.any_csv.box_cells import parse_box_cell


@pytest.mark.parametrize(
    "cell",
    ["[1.0, 2, 30, 40.5]", "(1, 2, 30, 40.5)", "1 2 30 40.5", "1,2,30,40.5", "[ 1.   2.  30.  40.5]", "1;2;30;40.5"],
)
def test_four_numbers_are_a_box_however_they_are_written(cell: str) -> None:
    assert parse_box_cell(cell, "xywh") == [(1, 2, 30, 40.5)]


@pytest.mark.parametrize(
    ("cell", "role", "expected"),
    [
        ("[[1, 2, 3, 4], [5, 6, 7, 8]]", "xyxy", [(1, 2, 3, 4), (5, 6, 7, 8)]),
        ("[(1, 2, 3, 4)]", "xyxy", [(1, 2, 3, 4)]),
        ("[{'x': 559, 'y': 213, 'width': 50, 'height': 32}]", "xywh", [(559, 213, 50, 32)]),
        ('{"xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4}', "xyxy", [(1, 2, 3, 4)]),
        ('{"left": 1, "top": 2, "width": 3, "height": 4}', "xywh", [(1, 2, 3, 4)]),
    ],
)
def test_a_cell_may_have_several_boxes_and_names(cell: str, role: str, expected: list[tuple[float, ...]]) -> None:
    assert parse_box_cell(cell, role) == expected


@pytest.mark.parametrize("cell", ["", "nan", "NaN", "[]", "None"])
def test_an_empty_cell_has_no_box(cell: str) -> None:
    assert parse_box_cell(cell, "xywh") == []


@pytest.mark.parametrize(
    "cell",
    [
        "1 2 3", "1 2 3 4 5", "cat", "[1, 2, 3]", "[[1, 2, 3, 4], 5]", "{'x': 1}", "[" * 100_000, "[1, 2, 3, 'a']",
        "{}x",
        "[{'x1': 1, 'y1': 2, 'x2': 3, 'y2': 4}]",
    ],
)  # fmt: skip
def test_anything_else_is_no_box(cell: str) -> None:
    assert parse_box_cell(cell, "xywh") is None


@given(st.text(alphabet="[](){}'\":,;. 0123456789eE+-xywhnaN"))
def test_any_cell_is_boxes_or_none(cell: str) -> None:
    boxes = parse_box_cell(cell, "xywh")
    assert boxes is None or all(len(box) == 4 for box in boxes)
