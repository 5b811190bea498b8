"""Values of JSON documents."""

from __future__ import annotations

import math
from typing import Any

import pytest

from odtool.dataset.readers.common import values


@pytest.mark.parametrize(
    ("value", "expected"), [(1, 1.0), (-2.5, -2.5), (True, None), ("1", None), (None, None), (10**400, math.inf)]
)
def test_only_numbers_are_numbers(value: Any, expected: float | None) -> None:
    assert values.parse_number(value) == expected


def test_points_come_as_pairs_or_with_names() -> None:
    assert values.parse_points([[1, 2], {"x": 3, "y": 4}]) == [(1, 2), (3, 4)]
    assert values.parse_points([[1, 2], [3]]) is None
    assert values.parse_points([[1, 2]]) is None
