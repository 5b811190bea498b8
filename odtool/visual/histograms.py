"""Plots as inline SVG: columns, a heat map and bubbles, coloured by the page's own style."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from odtool.visual import svg
from odtool.visual.html_page import escape_text
from odtool.visual.svg import Axis

_HEIGHT = 250
"""Of a plot's view box."""
_FOOT = 34
"""Below the columns, for their names and the axis' own."""
_HEAD = 18
_MARGIN = 46
_TOP = 6
_SIDE = 208
"""Height of the fields of maps."""
_MOST_BUBBLES = 300


def draw_columns(bins: Mapping[str, int], axis: str) -> str:
    """A column for each bin, with its name below and its count above."""
    maximum = max(bins.values(), default=0) or 1
    step = svg.WIDTH / max(len(bins), 1)
    floor = _HEIGHT - _FOOT
    style = "tick tight" if max(map(len, bins), default=0) * len(bins) > 55 else "tick"
    parts = [svg.draw_level_line(0, svg.WIDTH, floor)]
    for number, (name, count) in enumerate(bins.items()):
        height = (floor - _HEAD) * count / maximum
        height = max(height, 1.5) if count else 0
        middle = step * (number + 0.5)
        parts.append(
            f'<g><title>{escape_text(name)}: {count:,}</title><rect class="bar" x="{middle - step * 0.36:.1f}" '
            f'y="{floor - height:.1f}" width="{step * 0.72:.1f}" height="{height:.1f}" rx="2"/>'
        )
        if count:
            parts.append(svg.draw_tick(middle, floor - height - 4, svg.abbreviate(count, 3), style="count"))
        parts.append(svg.draw_tick(middle, floor + 13, name, style=style) + "</g>")
    parts.append(svg.draw_tick(svg.WIDTH / 2, _HEIGHT - 5, axis))
    return _draw_plot(axis, parts)


def draw_pairs(bins: Mapping[str, tuple[float, float]], axis: str, names: tuple[str, str]) -> str:
    """Two columns for each bin: the shares, from 0 to 1, that it has of two sets."""
    highest = max((share for pair in bins.values() for share in pair), default=0) or 1
    step, floor = svg.WIDTH / max(len(bins), 1), _HEIGHT - _FOOT
    parts = [svg.draw_level_line(0, svg.WIDTH, floor)]
    for number, (name, pair) in enumerate(bins.items()):
        middle = step * (number + 0.5)
        for place, share in enumerate(pair):
            height = max((floor - _HEAD) * share / highest, 1.5 if share else 0)
            left = middle + (place - 1) * step * 0.38
            parts.append(
                f"<g><title>{escape_text(names[place])}, {escape_text(name)}: {share:.1%}</title>"
                f'<rect class="pair{place}" '
                f'x="{left:.1f}" y="{floor - height:.1f}" width="{step * 0.36:.1f}" height="{height:.1f}" rx="2"/>'
            )
            if share:
                shown = f"{share:.0%}" if share >= 0.01 else "<1%"
                parts.append(svg.draw_tick(left + step * 0.18, floor - height - 4, shown, style="count tight"))
            parts.append("</g>")
        parts.append(svg.draw_tick(middle, floor + 13, name))
    parts.append(svg.draw_tick(svg.WIDTH / 2, _HEIGHT - 5, axis))
    return _draw_plot(axis, parts)


def draw_heat_map(rows: Sequence[Sequence[int]], across: str, down: str, *, from_top: bool = False) -> str:
    """A square of cells, the fuller the stronger; both axes go from 0 to 100%.

    Args:
        from_top: whether row 0 is at the top, as in an image, and not at the bottom.
    """
    maximum = max((count for row in rows for count in row), default=0) or 1
    left = (svg.WIDTH - _SIDE) / 2 + 14
    cell = _SIDE / len(rows)
    parts = [svg.draw_field(left, _TOP, _SIDE, _SIDE)]
    for row, counts in enumerate(reversed(rows) if from_top else rows):
        for column, count in enumerate(counts):
            if count:
                strength = 0.15 + 0.85 * math.sqrt(count / maximum)
                parts.append(
                    f'<rect class="bar" x="{left + column * cell:.1f}" y="{_TOP + _SIDE - (row + 1) * cell:.1f}" '
                    f'width="{cell - 0.6:.1f}" height="{cell - 0.6:.1f}" fill-opacity="{strength:.2f}">'
                    f"<title>{count:,}</title></rect>"
                )
    ends = ("100%", "100%", "0") if from_top else ("0", "100%")
    return _draw_plot(f"{across}, {down}", [*parts, *_draw_axes(left, _SIDE, ends, across, down)])


def draw_bubbles(sizes: Mapping[tuple[int, int], int], across: str, down: str) -> str:
    """A bubble for each width and height, its area by the count; the first `_MOST_BUBBLES` of them."""
    largest = dict(list(sizes.items())[:_MOST_BUBBLES])
    widest = _round_up(max((width for width, _ in largest), default=1))
    highest = _round_up(max((height for _, height in largest), default=1))
    maximum = max(largest.values(), default=1)
    breadth = svg.WIDTH - _MARGIN - 14
    flat, upright = Axis(0, widest, _MARGIN, _MARGIN + breadth), Axis(0, highest, _TOP + _SIDE, _TOP)
    parts = [svg.draw_field(_MARGIN, _TOP, breadth, _SIDE)]
    for (width, height), count in largest.items():
        radius = 3 + 11 * math.sqrt(count / maximum)
        parts.append(svg.draw_bubble(flat.place(width), upright.place(height), radius, f"{width}x{height}: {count:,}"))
    parts += _draw_axes(_MARGIN, breadth, ("0", f"{widest:,}", f"{highest:,}"), across, down)
    return _draw_plot(f"{across}, {down}", parts)


def _draw_axes(left: float, width: float, ends: Sequence[str], across: str, down: str) -> list[str]:
    """Names and ends of both axes; `ends` are the origin, the right end and, where it differs, the upper one."""
    right, floor = left + width, _TOP + _SIDE
    return [
        svg.draw_end_tick(left - 5, floor, ends[0]),
        svg.draw_end_tick(left - 5, _TOP + 9, ends[-1]),
        svg.draw_end_tick(right, floor + 14, ends[1]),
        svg.draw_tick(left + width / 2, floor + 28, across),
        svg.draw_upright_name(left - 33, _TOP + _SIDE / 2, down),
    ]


def _draw_plot(title: str, parts: Sequence[str]) -> str:
    return svg.draw_plot(title, parts, height=_HEIGHT)


def _round_up(value: int) -> int:
    """To one, two or five times a power of ten, or halfway between."""
    power: int = 10 ** max(len(str(value)) - 1, 0)
    return next(step * power // 2 for step in (2, 3, 4, 5, 6, 8, 10, 12, 16, 20) if step * power // 2 >= value)
