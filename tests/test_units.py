"""Durations and sizes as people say them."""

from __future__ import annotations

import pytest

from odtool import units
from odtool.units import format_count


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0s"), (59.6, "1m00s"), (200, "3m20s"), (3599.6, "1h00m"), (7500, "2h05m")]
)
def test_durations_have_two_parts_at_most(seconds: float, text: str) -> None:
    assert units.format_duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(5, "5 bytes"), (1500, "1.5 kB"), (2_345_678, "2.35 MB")])
def test_sizes_have_three_digits(count: int, text: str) -> None:
    assert units.format_bytes(count) == text


@pytest.mark.parametrize(("value", "text"), [(0.12345, "0.123"), (None, "-"), (0.0, "0.000")])
def test_metrics_have_three_digits(value: float | None, text: str) -> None:
    assert units.format_metric(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.1, "+0.100"), (-0.0000001, "+0.000"), (-0.02, "-0.020")])
def test_changes_have_a_sign_and_nothing_is_not_negative(value: float, text: str) -> None:
    assert units.format_metric(value, sign=True) == text


def test_one_is_counted_without_an_s() -> None:
    assert [format_count(number, "image") for number in (0, 1, 2000)] == ["0 images", "1 image", "2,000 images"]
