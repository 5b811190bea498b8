"""Pieces of inline SVG that all plots are made of: the frame, axes, ticks, fields and bubbles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from odtool.visual.html_page import escape_text

WIDTH = 360
"""Of a plot's view box; at this size in pixels its letters are as large as the page's small print."""


@dataclass(frozen=True)
class Axis:
    """Values to places in the view box."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self.start + (self.end - self.start) * (value - low) / (high - low)


def draw_plot(title: str, parts: Sequence[str], *, height: int, style: str = "plot") -> str:
    """The whole plot; `style` are its CSS classes."""
    label = f'role="img" aria-label="{escape_text(title)}"'
    return f'<svg class="{style}" viewBox="0 0 {WIDTH} {height}" {label}>{"".join(parts)}</svg>'


def draw_tick(x: float, y: float, text: str, *, style: str = "tick") -> str:
    """A word or number at an axis, centred on x where its style does not say otherwise."""
    return f'<text class="{style}" x="{_round(x)}" y="{_round(y)}">{escape_text(text)}</text>'


def draw_end_tick(x: float, y: float, text: str) -> str:
    """The same, to the left of x."""
    return draw_tick(x, y, text, style="tick end")


def draw_upright_name(x: float, y: float, text: str) -> str:
    """The name of the axis that goes up, read from below."""
    return f'<text class="tick" transform="translate({_round(x)} {_round(y)}) rotate(-90)">{escape_text(text)}</text>'


def draw_level_line(left: float, right: float, y: float) -> str:
    """A line of the plot's grid."""
    return f'<line class="axis" x1="{_round(left)}" x2="{_round(right)}" y1="{_round(y)}" y2="{_round(y)}"/>'


def draw_field(left: float, top: float, width: float, height: float) -> str:
    """The ground of a map."""
    return f'<rect class="field" x="{_round(left)}" y="{_round(top)}" width="{width}" height="{height}"/>'


def draw_bubble(x: float, y: float, radius: float, title: str) -> str:
    """A circle whose area stands for a count; the title shows under the pointer."""
    place = f'cx="{_round(x)}" cy="{_round(y)}" r="{_round(radius)}"'
    return f'<circle class="bubble" {place}><title>{escape_text(title)}</title></circle>'


def abbreviate(value: float, digits: int) -> str:
    """With at most so many digits: 1230 with three is 1.23k, 0.25 is 0.25."""
    for size, unit in ((10**6, "M"), (10**3, "k")):
        if abs(value) >= size:
            # Twice, as 'g' alone writes 1000 with three digits as 1e+03.
            return f"{float(f'{value / size:.{digits}g}'):g}{unit}"
    return f"{value:.3g}"


def _round(length: float) -> str:
    """To a tenth of a pixel."""
    return f"{length:.1f}".removesuffix(".0")
