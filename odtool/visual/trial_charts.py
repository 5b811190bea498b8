"""Plots of a search as inline SVG: parallel coordinates of all trials, and what each trial came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from odtool.visual import svg
from odtool.visual.html_page import escape_text
from odtool.visual.svg import Axis

_WIDE, _HIGH = 1100, 320
"""View box of the parallel coordinates, which scroll sideways on a narrow screen."""
_EDGE, _TOP, _FLOOR = 70, 40, 278
_LEFT, _RIGHT, _PLOT_TOP, _PLOT_FLOOR, _HEIGHT = 48, 350, 10, 186, 226
_LETTERS = 17
"""Of an axis' name that have room; what is longer is cut, and whole under the pointer."""


@dataclass(frozen=True)
class CoordinateAxis:
    """An upright axis: numbers from low to high, or words one above the other."""

    name: str
    low: float = 0
    high: float = 1
    logarithmic: bool = False
    words: tuple[str, ...] = ()

    def place(self, value: float | str) -> float:
        """Height in the view box of a number, or of one of the words."""
        if self.words:
            share = (self.words.index(str(value)) + 0.5) / len(self.words)
            return _FLOOR - (_FLOOR - _TOP) * share
        low, high = (self.low, self.high) if self.high > self.low else (self.low, self.low + (abs(self.low) or 1))
        return Axis(low, high, _FLOOR, _TOP, self.logarithmic).place(float(value))


@dataclass(frozen=True)
class TrialLine:
    """A trial in the parallel coordinates."""

    title: str
    coordinates: Sequence[float | str]
    """One for each axis."""
    strength: float
    """From 0 to 1, of the best."""
    style: str = ""
    """CSS class: 'best', 'pruned' or none."""


@dataclass(frozen=True)
class TrialPoint:
    """What a trial came to."""

    number: int
    value: float
    title: str
    style: str = ""
    """As of a TrialLine."""


def draw_parallel_coordinates(axes: Sequence[CoordinateAxis], lines: Sequence[TrialLine]) -> str:
    """A line for each trial across all axes; the stronger, the better it is."""
    distance = (_WIDE - 2 * _EDGE) / max(len(axes) - 1, 1)
    places = [_EDGE + distance * index for index in range(len(axes))]
    parts: list[str] = []
    for line in sorted(lines, key=lambda line: (line.style == "best", line.strength)):
        points = " ".join(
            f"{x:.1f},{axis.place(value):.1f}" for x, axis, value in zip(places, axes, line.coordinates, strict=True)
        )
        opacity = 1 if line.style == "best" else 0.15 + 0.6 * line.strength
        parts.append(
            f'<polyline class="trial {line.style}" points="{points}" stroke-opacity="{opacity:.2f}">'
            f"<title>{escape_text(line.title)}</title></polyline>"
        )
    room = max(int(distance / 5.6), _LETTERS if len(axes) < 9 else 10)
    for x, axis in zip(places, axes, strict=True):
        parts += _draw_axis(x, axis, room)
    label = 'role="img" aria-label="trials by parameter and value"'
    svg_ = f'<svg class="plot wide" viewBox="0 0 {_WIDE} {_HIGH}" {label}>{"".join(parts)}</svg>'
    return f'<div class="scroll whole">{svg_}</div>'


def _draw_axis(x: float, axis: CoordinateAxis, room: int) -> list[str]:
    name = axis.name if len(axis.name) <= room else f"…{axis.name[1 - room :]}"
    parts = [
        f'<line class="upright" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_FLOOR}"/>',
        f"<g><title>{escape_text(axis.name)}</title>{svg.draw_tick(x, _FLOOR + 32, name, style='tick name')}</g>",
    ]
    if axis.words:
        return parts + [svg.draw_tick(x, axis.place(word) + 3.5, word, style="tick word") for word in axis.words]
    return [
        *parts,
        svg.draw_tick(x, _TOP - 8, svg.abbreviate(axis.high, 4)),
        svg.draw_tick(x, _FLOOR + 15, svg.abbreviate(axis.low, 4)),
    ]


def draw_values(points: Sequence[TrialPoint], name: str, *, is_loss: bool = False) -> str:
    """A point for each trial, and the line of the best so far."""
    if not points:
        return '<p class="soft">Nothing to show yet.</p>'
    values = [point.value for point in points]
    low, high = min(values), max(values)
    margin = (high - low) * 0.08 or abs(high) * 0.1 or 0.1
    upright = Axis(low - margin, high + margin, _PLOT_FLOOR, _PLOT_TOP)
    last = max(point.number for point in points)
    flat = Axis(-0.5, last + 0.5, _LEFT, _RIGHT)
    ticks = [low + (high - low) * share for share in (0, 0.5, 1)] if high > low else [low]
    parts = [
        svg.draw_level_line(_LEFT, _RIGHT, upright.place(tick))
        + svg.draw_end_tick(_LEFT - 6, upright.place(tick) + 3.5, f"{tick:.3f}")
        for tick in ticks
    ]
    stride = max(1, -(-(last + 1) // 10))
    parts += [svg.draw_tick(flat.place(number), _PLOT_FLOOR + 14, str(number)) for number in range(0, last + 1, stride)]
    parts.append(svg.draw_tick((_LEFT + _RIGHT) / 2, _HEIGHT - 8, "trial"))
    parts.append(_draw_best_so_far(points, flat, upright, is_loss=is_loss))
    for point in points:
        place = f'cx="{flat.place(point.number):.1f}" cy="{upright.place(point.value):.1f}" r="3.6"'
        parts.append(f'<circle class="trial {point.style}" {place}><title>{escape_text(point.title)}</title></circle>')
    return svg.draw_plot(f"{name} by trial", parts, height=_HEIGHT, style="plot trials")


def _draw_best_so_far(points: Sequence[TrialPoint], flat: Axis, upright: Axis, *, is_loss: bool) -> str:
    places: list[str] = []
    best: float | None = None
    for point in sorted(points, key=lambda point: point.number):
        if point.style == "pruned":
            continue
        better = point.value if best is None else (min if is_loss else max)(best, point.value)
        if best is not None:
            places.append(f"{flat.place(point.number):.1f},{upright.place(best):.1f}")
        places.append(f"{flat.place(point.number):.1f},{upright.place(better):.1f}")
        best = better
    return f'<polyline class="so-far" points="{" ".join(places)}"><title>best so far</title></polyline>'


def draw_shares(shares: Mapping[str, float]) -> str:
    """A bar for each share of a whole, by what it is of, as a table."""
    largest = max(shares.values(), default=0) or 1
    rows = "".join(
        f'<tr><td>{escape_text(name)}</td><td class="right">{share:.0%}</td>'
        f'<td class="meter"><div style="width:{share / largest:.1%}"></div></td></tr>'
        for name, share in shares.items()
    )
    return f'<div class="scroll whole"><table>{rows}</table></div>'
