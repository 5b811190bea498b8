"""Tables of the report, and how figures are written in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from odtool.visual.html_page import escape_text

_MOST_ROWS = 30
"""A table of no more is shown whole."""
NOTHING = "-"
"""Shown in place of a figure that does not exist."""


def render_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], kind: Literal["numbers", "fields"], *, strong: int = 0
) -> str:
    """A table that scrolls within its card.

    Args:
        rows: plain text.
        kind: numbers are set to the right; fields are words.
        strong: how many of the first rows stand out.
    """
    head = "".join(f"<th>{escape_text(column)}</th>" for column in columns)
    body = []
    for index, row in enumerate(rows):
        opened, closed = ("<b>", "</b>") if index < strong else ("", "")
        body.append("<tr>" + "".join(f"<td>{opened}{escape_text(cell)}{closed}</td>" for cell in row) + "</tr>")
    top = f"<tr>{head}</tr>" if any(columns) else ""
    return wrap_scrolling(f'<table class="{kind}">{top}{"".join(body)}</table>', len(body))


def wrap_scrolling(content: str, rows: int) -> str:
    """A table that scrolls sideways where it has to, and, where it is long, up and down."""
    return f'<div class="scroll{"" if rows > _MOST_ROWS else " whole"}">{content}</div>'


def render_card(content: str, heading: str = "") -> str:
    """A card as wide as the page."""
    title = f"<h3>{escape_text(heading)}</h3>" if heading else ""
    return f'<section class="card wide">{title}{content}</section>\n'


def render_plots(cards: dict[str, str]) -> str:
    """Cards in rows, by their headings."""
    sections = "".join(
        f'<section class="card"><h3>{escape_text(name)}</h3>{plot}</section>\n' for name, plot in cards.items()
    )
    return f'<div class="plots">{sections}</div>\n'


def render_note(words: str) -> str:
    """A line of plain text in small print."""
    return f'<p class="soft">{escape_text(words)}</p>\n'


def format_score(value: float | None) -> str:
    """Between 0 and 1."""
    return NOTHING if value is None else f"{value:.3f}"


def format_difference(value: float | None, *, signed: bool = False) -> str:
    """Of numbers of objects."""
    if value is None:
        return NOTHING
    return f"{value:+.2f}" if signed else f"{value:.2f}"
