"""Pieces of SVG."""

from __future__ import annotations

import pytest

from odtool.visual import svg
from odtool.visual.svg import Axis


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.25, 4, "0.25"),
        (4e-5, 4, "4e-05"),
        (7, 3, "7"),
        (1234, 3, "1.23k"),
        (12500, 4, "12.5k"),
        (999_999, 3, "1000k"),
        (2_500_000, 3, "2.5M"),
    ],
)
def test_numbers_are_short_enough_for_an_axis(value: float, digits: int, text: str) -> None:
    assert svg.abbreviate(value, digits) == text


def test_a_logarithmic_axis_gives_equal_ratios_equal_lengths() -> None:
    axis = Axis(0.01, 100, 0, 40, logarithmic=True)
    assert [round(axis.place(value), 6) for value in (0.01, 0.1, 1, 100)] == [0, 10, 20, 40]
    assert Axis(0, 4, 10, 0).place(1) == 7.5


def test_whatever_a_class_is_called_stays_text() -> None:
    plot = svg.draw_plot(
        "<a>",
        [svg.draw_tick(1, 2, "<b>"), svg.draw_bubble(1, 2, 3, "<c>"), svg.draw_upright_name(1, 2, "<d>")],
        height=9,
    )
    assert [name for name in "abcd" if f"&lt;{name}&gt;" in plot] == ["a", "b", "c", "d"]
    assert not any(f"<{name}>" in plot for name in "abcd")
