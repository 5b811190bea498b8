"""Tables of the report, and how figures are written in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from odtool.reporting.image_links import Link
from odtool.visual import html_page
from odtool.visual.html_page import escape_text

_MOST_ROWS = 16
"""A table of no more is shown whole."""
_FEW_ROWS = 8
"""A table of no more is not searched."""
_BREAKABLE = re.compile(r"[._/](?=\w)")
"""Where a field's path or a file's may go on in the next line, rather than in the middle of a word."""
_LONG_WORD = re.compile(r"\S{24,}")
_LOWEST = float("-inf")
NOTHING = "-"
"""Shown in place of a figure that does not exist."""


def render_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str | Link]],
    kind: Literal["numbers", "fields"],
    *,
    total: Sequence[str] = (),
    identity: str = "",
    search: str = "",
    searched: int = 1,
) -> str:
    """A table that scrolls within its card.

    Args:
        rows: plain text, and links to images.
        kind: numbers are set to the right; fields are words.
        total: a row that stands out and stays above the others.
        identity: of the element; with one, a click on the head of a column sorts.
        search: what the field to search by is called; without it, or in a short table, there is none.
        searched: the first columns, in which is searched.
    """
    numeric = [all(to_number(row[place]) is not None for row in rows) for place in range(len(columns))]
    head = "".join(
        f"<th{' class=right' if number else ' class=words'}>{escape_text(column)}</th>"
        for column, number in zip(columns, numeric, strict=True)
    )
    top = f"<tr>{head}</tr>" if any(columns) else ""
    top += f"<tr>{''.join(f'<td><b>{escape_text(cell)}</b></td>' for cell in total)}</tr>" if total else ""
    body = "".join(
        f"<tr>{''.join(_render_cell(cell, is_number, kind) for cell, is_number in zip(row, numeric, strict=True))}</tr>"
        for row in rows
    )
    attributes = f'class="{kind} sortable" id="{identity}"' if identity else f'class="{kind}"'
    table = f"<table {attributes}>{f'<thead>{top}</thead>' if top else ''}<tbody>{body}</tbody></table>"
    controls = ""
    if identity and search and len(rows) > _FEW_ROWS:
        where = f'data-rows="{identity}" data-columns="{searched}"'
        controls = html_page.render_controls(where, [html_page.render_search(search)])
    return controls + wrap_scrolling(table, len(rows))


def _render_cell(cell: str | Link, is_numeric: bool, kind: str) -> str:
    content = cell.render() if isinstance(cell, Link) else escape_text(cell)
    if kind == "fields":
        content = _LONG_WORD.sub(lambda word: _BREAKABLE.sub(r"\g<0><wbr>", word[0]), content)
    return f"<td{describe_number(cell) if is_numeric else ' class=words'}>{content}</td>"


def describe_number(cell: str | Link) -> str:
    """The attribute of a cell by which the page sorts; nothing where it is no number."""
    number = to_number(cell)
    if number is None:
        return ""
    value = "-Infinity" if number == _LOWEST else repr(number)
    return f' data-value="{value}"'


def to_number(cell: str | Link) -> float | None:
    """What a cell is sorted by; nothing stands below every number."""
    words = cell.words if isinstance(cell, Link) else cell
    if words == NOTHING:
        return _LOWEST
    try:
        return float(words.replace(",", ""))
    except ValueError:
        return None


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
