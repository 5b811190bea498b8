"""Plots of the report as inline SVG: curves over steps, precision over recall, and counted against true numbers."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from odtool.visual import svg
from odtool.visual.html_page import escape_text
from odtool.visual.svg import Axis

COLOURS = 8
"""Colours for curves that the style knows; they repeat beyond."""
_HEIGHT = 226
"""Of a plot's view box."""
_LEFT, _RIGHT, _TOP, _FLOOR = 56, 350, 10, 186
_MARKED = 24
"""Curves of no more points than this show them."""
_LOGARITHMIC = 30.0
"""Where the largest value is more than this many times the smallest, equal steps are equal ratios."""
_SQUARE = 176
_MOST_BUBBLES = 400

Curve = tuple[tuple[int, float | None], ...]
"""Steps and values; None is a value that is not finite, which breaks the line."""


@dataclass(frozen=True)
class Point:
    """A place in a plot, and what shows there under the pointer."""

    across: float
    up: float
    title: str


def draw_curves(
    series: Mapping[str, Curve], down: str, *, ceiling: float | None = None, logarithmic: bool = False
) -> str:
    """Values over steps with a legend below; a value that is None breaks its line.

    Args:
        down: what the values are.
        ceiling: the least height of the plot; its floor is 0 then.
        logarithmic: allow equal ratios for equal distances, where the values ask for it.
    """
    points = [point for curve in series.values() for point in curve]
    finite = [(step, value) for step, value in points if value is not None]
    if not finite:
        return '<p class="soft">Nothing to show yet.</p>'
    values = [value for _, value in finite]
    ratio = logarithmic and min(values) > 0 and max(values) / min(values) > _LOGARITHMIC
    ticks = (
        _choose_powers(min(values), max(values))
        if ratio
        else _choose_ticks(0 if min(values) >= 0 else min(values), max(values))
    )
    if ceiling is not None and ticks[-1] < ceiling:
        ticks = _choose_ticks(0, ceiling)
    upright = Axis(min(ticks[0], *values) if ratio else ticks[0], max(ticks[-1], *values), _FLOOR, _TOP, ratio)
    first, last = min(step for step, _ in points), max(step for step, _ in points)
    flat = Axis(first, last if last > first else first + 1, _LEFT, _RIGHT)
    parts = [*_draw_frame(upright, ticks), *_draw_steps(flat, first, last), *_draw_names("step", down)]
    for number, (label, curve) in enumerate(series.items()):
        parts.append(_draw_curve(curve, flat, upright, number, label))
    return _draw_plot(f"{down} by step", parts) + draw_legend(list(series))


def _draw_curve(curve: Curve, flat: Axis, upright: Axis, number: int, label: str) -> str:
    colour = f"s{number % COLOURS}"
    pieces: list[list[str]] = [[]]
    for step, value in curve:
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append(f"{flat.place(step):.1f},{upright.place(value):.1f}")
    lines = "".join(f'<polyline class="{colour}" points="{" ".join(piece)}"/>' for piece in pieces if len(piece) > 1)
    marked = len(curve) <= _MARKED
    dots = "".join(
        f'<circle class="{colour}" cx="{flat.place(step):.1f}" cy="{upright.place(value):.1f}" r="2.6">'
        f"<title>{escape_text(label)}, step {step:,}: {value:.4g}</title></circle>"
        for step, value in curve
        if value is not None and marked
    )
    single_points = [piece[0].split(",") for piece in pieces if len(piece) == 1 and not marked]
    dots += "".join(f'<circle class="{colour}" cx="{x}" cy="{y}" r="1.6"/>' for x, y in single_points)
    return f"<g><title>{escape_text(label)}</title>{lines}{dots}</g>"


def draw_shares(
    curves: Mapping[str, Sequence[float | None]],
    across: str,
    up: str,
    *,
    point: Point | None = None,
    bold: Collection[str] = (),
) -> str:
    """Values from 0 to 1 at places that go from 0 to 1 in equal steps; a value that is None breaks its line.

    Args:
        across: what the places are.
        up: what the values are.
        point: a place that was chosen.
        bold: curves that stand out; the others are then thin, and named under the pointer alone.
    """
    upright, flat = Axis(0, 1, _FLOOR, _TOP), Axis(0, 1, _LEFT, _RIGHT)
    ticks = (0, 0.25, 0.5, 0.75, 1)
    parts = _draw_frame(upright, ticks)
    parts += [svg.draw_tick(flat.place(value), _FLOOR + 14, f"{value:g}") for value in ticks]
    parts += _draw_names(across, up)
    for number, (label, curve) in enumerate(curves.items()):
        style = f"s{number % COLOURS}" + (" bold" if label in bold else " fine" if bold else "")
        lines = "".join(f'<polyline points="{piece}"/>' for piece in _list_pieces(curve, flat, upright))
        parts.append(f'<g class="{style}"><title>{escape_text(label)}</title>{lines}</g>')
    if point is not None:
        x, y = flat.place(point.across), upright.place(point.up)
        title = f"<title>{escape_text(point.title)}</title>"
        parts.append(f'<circle class="chosen" cx="{x:.1f}" cy="{y:.1f}" r="4.5">{title}</circle>')
    legend = "".join(f'<li><i class="bold"></i>{escape_text(label)}</li>' for label in bold)
    return _draw_plot(f"{up} by {across}", parts) + (
        f'<ul class="legend">{legend}</ul>' if bold else draw_legend(list(curves))
    )


def _list_pieces(curve: Sequence[float | None], flat: Axis, upright: Axis) -> list[str]:
    """The points of each stretch of a curve without gaps."""
    end = len(curve) - 1
    pieces: list[list[str]] = [[]]
    for index, value in enumerate(curve):
        if value is None:
            pieces.append([])
        elif _is_needed(curve, index):
            pieces[-1].append(f"{flat.place(index / end):.1f},{upright.place(value):.1f}")
    return [" ".join(piece) for piece in pieces if len(piece) > 1]


def _is_needed(curve: Sequence[float | None], index: int) -> bool:
    """Whether a point is needed: on level stretches only the ends are."""
    return index in (0, len(curve) - 1) or not curve[index - 1] == curve[index] == curve[index + 1]


def draw_counts(pairs: Mapping[tuple[int, int], int]) -> str:
    """Images by true and by detected number of objects: on the diagonal where the count is right."""
    largest = dict(sorted(pairs.items(), key=lambda item: -item[1])[:_MOST_BUBBLES])
    highest = max((max(pair) for pair in largest), default=1) or 1
    ticks = [tick for tick in _choose_ticks(0, highest) if tick == int(tick)]
    left = (svg.WIDTH - _SQUARE) / 2
    # Half a step of room, so that the bubble at the origin is whole.
    margin = max(ticks[-1], highest) * 0.06 + 0.2
    upright = Axis(-margin, max(ticks[-1], highest) + margin, _FLOOR, _FLOOR - _SQUARE)
    flat = Axis(-margin, max(ticks[-1], highest) + margin, left, left + _SQUARE)
    maximum = max(largest.values(), default=1)
    parts = [svg.draw_field(left, _FLOOR - _SQUARE, _SQUARE, _SQUARE)]
    ends = flat.place(0), upright.place(0), flat.place(ticks[-1]), upright.place(ticks[-1])
    parts.append('<line class="diagonal" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>'.format(*ends))
    for (true, detected), images in largest.items():
        title = f"{true:,} there, {detected:,} detected: {images:,} images"
        parts.append(
            svg.draw_bubble(flat.place(true), upright.place(detected), 2 + 9 * math.sqrt(images / maximum), title)
        )
    for tick in ticks:
        parts.append(svg.draw_tick(flat.place(tick), _FLOOR + 14, f"{tick:g}"))
        parts.append(svg.draw_end_tick(left - 5, upright.place(tick) + 3.5, f"{tick:g}"))
    parts.append(svg.draw_tick((_LEFT + _RIGHT) / 2, _HEIGHT - 8, "objects in the image"))
    parts.append(svg.draw_upright_name(left - 30, _FLOOR - _SQUARE / 2, "detected"))
    return _draw_plot("detected by true number of objects", parts)


def draw_legend(labels: Sequence[str]) -> str:
    """What the colours are; nothing for a single curve."""
    if len(labels) < 2:
        return ""
    items = "".join(
        f'<li><i class="s{number % COLOURS}"></i>{escape_text(label)}</li>' for number, label in enumerate(labels)
    )
    return f'<ul class="legend">{items}</ul>'


def _draw_frame(upright: Axis, ticks: Sequence[float]) -> list[str]:
    """Level lines with their values."""
    return [
        svg.draw_level_line(_LEFT, _RIGHT, upright.place(tick))
        + svg.draw_end_tick(_LEFT - 6, upright.place(tick) + 3.5, svg.abbreviate(tick, 4))
        for tick in ticks
    ]


def _draw_steps(flat: Axis, first: int, last: int) -> list[str]:
    ticks = [tick for tick in _choose_ticks(first, last) if first <= tick <= last and tick == int(tick)] or [first]
    return [svg.draw_tick(min(flat.place(tick), _RIGHT - 8), _FLOOR + 14, svg.abbreviate(tick, 4)) for tick in ticks]


def _draw_names(across: str, up: str) -> list[str]:
    return [
        svg.draw_tick((_LEFT + _RIGHT) / 2, _HEIGHT - 8, across),
        svg.draw_upright_name(11, (_TOP + _FLOOR) / 2, up),
    ]


def _draw_plot(title: str, parts: Sequence[str]) -> str:
    return svg.draw_plot(title, parts, height=_HEIGHT, style="plot curves")


def _choose_ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers; the first is not above `low`, the last not below `high`."""
    if high <= low:
        high = low + (abs(low) or 1)
    rough = (high - low) / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    start, end = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(start, end + 1)]


def _choose_powers(low: float, high: float) -> list[float]:
    """Powers of ten from the one at or above `low`; two or more."""
    start, end = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    stride = max((end - start) // 5, 1)
    powers = [10.0**index for index in range(start, end + 1, stride)]
    return powers if len(powers) > 1 else [low, high]
