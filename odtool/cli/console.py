"""What commands print with: the two streams, messages, tables, and a result as text or as one JSON object."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from odtool import printable
from odtool.cli.terminal import Terminal

stdout = Terminal()
stderr = Terminal(stderr=True)
shown_objects: list[dict[str, Any]] = []
"""What went to stdout as JSON: an error that follows it is on stderr alone, as there is one object on stdout."""


def say(text: str) -> None:
    """A line for a person, on stderr so that stdout stays the result's."""
    stderr.print(escape(text))


def write_log(stream: BinaryIO, block: bytes) -> None:
    """Writes a piece of a log: in whatever encoding, so as bytes."""
    stream.write(printable.show_log(block))
    stream.flush()


def warn(text: str) -> None:
    """A line about something that was not as it should be."""
    stderr.print(f"[yellow]warning:[/] {escape(text)}")


def show(payload: dict[str, Any], *, as_json: bool, render: Callable[[Console], None]) -> None:
    """Prints a command's result: `payload` as one JSON object, or what `render` prints."""
    if as_json:
        shown_objects.append(payload)
        sys.stdout.write(json.dumps(payload, default=str, allow_nan=False) + "\n")
        sys.stdout.flush()
    else:
        render(stdout)


def table(title: str, columns: list[str], rows: list[list[Any]]) -> Table:
    """A plain table: the first column to the left, numbers to the right."""
    made = Table(
        title=escape(printable.show_line(title)) or None,
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="bold",
        show_header=any(columns),
    )
    for position, column in enumerate(columns):
        numeric = position > 0 and all(isinstance(row[position], (int, float)) for row in rows)
        made.add_column(escape(printable.show_line(column)), justify="right" if numeric else "left")
    for row in rows:
        made.add_row(
            *(
                escape(f"{cell:,}" if isinstance(cell, int) else printable.show_line(stdout.shorten_paths(str(cell))))
                for cell in row
            )
        )
    return made


def unfolded(made: Table, screen: Console) -> Table:
    """The same with names whole, which are for copying; and the rest, too, where no terminal's width is looked at."""
    for column in made.columns[: 1 if screen.is_terminal else None]:
        column.min_width = max(map(len, (str(column.header), *map(str, column.cells))))
    return made
