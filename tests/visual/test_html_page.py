"""What comes from outside stands in pages and charts as text that can be seen, and can always be written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from odtool.visual import charts, histograms, svg, trial_charts
from odtool.visual.html_page import escape_text

NAME = "<b>a</b> \"'& \x1b[31m\x9b\u202egpj\x00\udcff"
SHOWN = "&lt;b&gt;a&lt;/b&gt; &quot;&#x27;&amp; \\x1b[31m\\x9b\\u202egpj\\x00\\udcff"


def test_text_is_escaped_and_controls_are_seen() -> None:
    assert escape_text(NAME) == SHOWN


@pytest.mark.parametrize(
    "draw",
    [
        lambda: svg.draw_plot(NAME, [], height=10),
        lambda: svg.draw_tick(0, 0, NAME),
        lambda: svg.draw_upright_name(0, 0, NAME),
        lambda: svg.draw_bubble(0, 0, 1, NAME),
        lambda: histograms.draw_columns({NAME: 3}, "axis"),
        lambda: histograms.draw_columns({"bin": 3}, NAME),
        lambda: histograms.draw_pairs({"bin": (0.5, 0.2)}, "axis", (NAME, "other")),
        lambda: charts.draw_shares({NAME: [0.1, 0.2, 0.3]}, "across", "up"),
        lambda: charts.draw_legend([NAME, "other"]),
        lambda: trial_charts.draw_shares({NAME: 0.5}),
    ],
)
def test_it_is_so_wherever_a_chart_has_a_name(draw: Callable[[], str]) -> None:
    drawn = draw()
    assert SHOWN in drawn
    drawn.encode()
