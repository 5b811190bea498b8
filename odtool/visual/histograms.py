"""Plots as inline SVG: columns, a heat map and bubbles, coloured by the page's own style."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 360, 250
"""Of a plot's view box; at this size in pixels its letters are as large as the page's small print."""
_FOOT = 34
"""Below the columns, for their names and the axis' own."""
_HEAD = 18
_MARGIN = 46
_SIDE = 208
"""Height of the fields of maps."""
_MOST_BUBBLES = 300


def columns(bins: Mapping[str, int], axis: str) -> str:
    """A column for each bin, with its name below and its count above."""
    most = max(bins.values(), default=0) or 1
    step = _WIDTH / max(len(bins), 1)
    floor = _HEIGHT - _FOOT
    tick = "tick tight" if max(map(len, bins), default=0) * len(bins) > 55 else "tick"
    parts = [f'<line class="axis" x1="0" x2="{_WIDTH}" y1="{floor}" y2="{floor}"/>']
    for number, (name, count) in enumerate(bins.items()):
        height = (floor - _HEAD) * count / most
        height = max(height, 1.5) if count else 0
        middle = step * (number + 0.5)
        parts.append(
            f'<g><title>{escape(name)}: {count:,}</title><rect class="bar" x="{middle - step * 0.36:.1f}" '
            f'y="{floor - height:.1f}" width="{step * 0.72:.1f}" height="{height:.1f}" rx="2"/>'
        )
        if count:
            parts.append(f'<text class="count" x="{middle:.1f}" y="{floor - height - 4:.1f}">{_short(count)}</text>')
        parts.append(f'<text class="{tick}" x="{middle:.1f}" y="{floor + 13}">{escape(name)}</text></g>')
    parts.append(f'<text class="tick" x="{_WIDTH / 2}" y="{_HEIGHT - 5}">{escape(axis)}</text>')
    return _svg(axis, parts)


def heat_map(rows: Sequence[Sequence[int]], across: str, down: str) -> str:
    """A square of cells, row 0 at the bottom, the fuller the stronger; both axes go from 0 to 100%."""
    most = max((count for row in rows for count in row), default=0) or 1
    left = (_WIDTH - _SIDE) / 2 + 14
    cell = _SIDE / len(rows)
    parts = [f'<rect class="field" x="{left}" y="6" width="{_SIDE}" height="{_SIDE}"/>']
    for row, counts in enumerate(rows):
        for column, count in enumerate(counts):
            if count:
                strength = 0.15 + 0.85 * math.sqrt(count / most)
                parts.append(
                    f'<rect class="bar" x="{left + column * cell:.1f}" y="{6 + _SIDE - (row + 1) * cell:.1f}" '
                    f'width="{cell - 0.6:.1f}" height="{cell - 0.6:.1f}" fill-opacity="{strength:.2f}">'
                    f"<title>{count:,}</title></rect>"
                )
    return _svg(f"{across}, {down}", [*parts, *_axes(left, _SIDE, ("0", "100%"), across, down)])


def bubbles(sizes: Mapping[tuple[int, int], int], across: str, down: str) -> str:
    """A bubble for each width and height, its area by the count; the first `_MOST_BUBBLES` of them."""
    shown = dict(list(sizes.items())[:_MOST_BUBBLES])
    widest = _round_up(max((width for width, _ in shown), default=1))
    highest = _round_up(max((height for _, height in shown), default=1))
    most = max(shown.values(), default=1)
    breadth = _WIDTH - _MARGIN - 14
    parts = [f'<rect class="field" x="{_MARGIN}" y="6" width="{breadth}" height="{_SIDE}"/>']
    for (width, height), count in shown.items():
        radius = 3 + 11 * math.sqrt(count / most)
        parts.append(
            f'<circle class="bubble" cx="{_MARGIN + breadth * width / widest:.1f}" '
            f'cy="{6 + _SIDE * (1 - height / highest):.1f}" r="{radius:.1f}">'
            f"<title>{width} &times; {height}: {count:,}</title></circle>"
        )
    parts += _axes(_MARGIN, breadth, ("0", f"{widest:,}", f"{highest:,}"), across, down)
    return _svg(f"{across}, {down}", parts)


def _axes(left: float, width: float, ends: Sequence[str], across: str, down: str) -> list[str]:
    """Names and ends of both axes; `ends` are the origin, the right end and, where it differs, the upper one."""
    right, floor = left + width, 6 + _SIDE
    return [
        f'<text class="tick end" x="{left - 5}" y="{floor}">{ends[0]}</text>',
        f'<text class="tick end" x="{left - 5}" y="15">{ends[-1]}</text>',
        f'<text class="tick end" x="{right}" y="{floor + 14}">{ends[1]}</text>',
        f'<text class="tick" x="{left + width / 2:.0f}" y="{floor + 28}">{escape(across)}</text>',
        f'<text class="tick" transform="translate({left - 33} {6 + _SIDE / 2:.0f}) rotate(-90)">{escape(down)}</text>',
    ]


def _svg(title: str, parts: Sequence[str]) -> str:
    label = f'role="img" aria-label="{escape(title)}"'
    return f'<svg class="plot" viewBox="0 0 {_WIDTH} {_HEIGHT}" {label}>{"".join(parts)}</svg>'


def _short(count: int) -> str:
    """1234 as '1.2k', so that it fits above a column."""
    for size, unit in ((10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.1f}".rstrip("0").rstrip(".") + unit
    return str(count)


def _round_up(value: int) -> int:
    """To one, two or five times a power of ten, or halfway between."""
    power: int = 10 ** max(len(str(value)) - 1, 0)
    return next(step * power // 2 for step in (2, 3, 4, 5, 6, 8, 10, 12, 16, 20) if step * power // 2 >= value)
