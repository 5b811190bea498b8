"""Values of JSON documents."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers.common import values
from odtool.dataset.readers.common.faults import AnnotationError


@pytest.mark.parametrize(
    ("value", "expected"), [(1, 1.0), (-2.5, -2.5), (True, None), ("1", None), (None, None), (10**400, math.inf)]
)
def test_only_numbers_are_numbers(value: Any, expected: float | None) -> None:
    assert values.parse_number(value) == expected


def test_points_come_as_pairs_or_with_names() -> None:
    assert values.parse_points([[1, 2], {"x": 3, "y": 4}]) == [(1, 2), (3, 4)]
    assert values.parse_points([[1, 2], [3]]) is None
    assert values.parse_points([[1, 2]]) is None


@pytest.mark.parametrize("value", [3, -0.5, [1, 2], [[1, 2], [3, 4]], [{"x": 1, "y": 2}], None, []])
def test_numbers_and_what_is_not_there_are_no_fault(value: Any) -> None:
    values.refuse_words({"x": value}, ("x", "y"), "object 1", Path("a.json"))
    values.refuse_words(value, ("x",), "object 1", Path("a.json"))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("ten", "x is 'ten', not a number"),
        (True, "not a number"),
        ([[1, "x"]], "not numbers"),
        ({"a": "b"}, "not a num"),
    ],
)
def test_a_word_in_place_of_a_number_is_a_fault(value: Any, says: str) -> None:
    with pytest.raises(AnnotationError, match=f"a.json: object 1: .*{says}"):
        values.refuse_words({"x": value}, ("y", "x"), "object 1", Path("a.json"))
