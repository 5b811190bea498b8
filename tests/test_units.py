"""Durations and sizes as people say them."""

from __future__ import annotations

import pytest

from odtool import units


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0s"), (59.6, "1m00s"), (200, "3m20s"), (3599.6, "1h00m"), (7500, "2h05m")]
)
def test_durations_have_two_parts_at_most(seconds: float, text: str) -> None:
    assert units.format_duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(5, "5 bytes"), (1500, "1.5 kB"), (2_345_678, "2.35 MB")])
def test_sizes_have_three_digits(count: int, text: str) -> None:
    assert units.format_bytes(count) == text
