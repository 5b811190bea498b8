"""The terminal: rich's console, but what comes from outside is shown and never obeyed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from odtool import printable

_SHORTEST = 2
"""Characters of a current folder from which on paths are shortened: not for the root."""


class Terminal(Console):
    """A console on which a text is one line, and control characters within it are visible.

    On a terminal a line that is too long goes on in the next after a whole word; one word, such as a path, is
    never torn. A path below the current folder is told there as it would be typed. With NO_COLOR in the environment
    everything is plain text, as in a file.
    """

    def __init__(self, *, stderr: bool = False, soft_wrap: bool = True) -> None:
        plain = bool(os.environ.get("NO_COLOR"))
        super().__init__(
            highlight=False,
            emoji=False,  # else ':x:' within a path becomes a cross
            soft_wrap=soft_wrap,
            stderr=stderr,
            color_system=None if plain else "auto",
            force_terminal=False if plain else None,
        )

    def print(self, *objects: Any, **options: Any) -> None:
        if self.is_terminal and len(objects) == 1 and isinstance(objects[0], str):
            objects = (self._break_lines(self.shorten_paths(printable.show_line(objects[0])), **options),)
        if not self.is_terminal and any(isinstance(item, Table) for item in objects):
            self._write_table(*objects, **options)
            return
        # Before rich sees them, which drops some of them without a trace.
        super().print(*(printable.show_line(item) if isinstance(item, str) else item for item in objects), **options)

    def _write_table(self, *objects: Any, **options: Any) -> None:
        """Without the blanks that fill its last column: a file is searched, compared and pasted."""
        with self.capture() as drawn:
            super().print(*objects, **options)
        for line in drawn.get().splitlines():
            super().out(line.rstrip(), highlight=False)

    def _break_lines(self, text: str, *, markup: bool = True, **_others: Any) -> Text:
        """The text in lines of the terminal's width, each of which but the first begins further in."""
        line = Text.from_markup(text, emoji=False) if markup else Text(text)
        indent = len(line.plain) - len(line.plain.lstrip()) + 2
        breaks: list[int] = []
        column = 0
        for word in re.finditer(r"\s*\S+", line.plain):
            bare = word[0].lstrip()
            if column and column + cell_len(word[0]) > self.width:
                breaks.append(word.end() - len(bare))
                column = indent + cell_len(bare)
            else:
                column += cell_len(word[0])
        pieces = line.divide(breaks)
        for piece in pieces[:-1]:
            piece.rstrip()
        return Text("\n" + " " * indent).join(pieces)

    def shorten_paths(self, text: str) -> str:
        """The text with paths below the current folder as they are typed there; whole where a file keeps it."""
        folder = _find_current_folder() if self.is_terminal else ""
        if folder not in text or len(folder) < _SHORTEST:
            return text
        below = re.compile(rf"(?<![\w/.~\"-]){re.escape(folder)}/(?=[\w.])")
        return below.sub("", text)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Everything that is drawn passes here, be it in a table, a progress bar or a live screen."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable.show(segment.text), segment.style)


def _find_current_folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # somebody has deleted it
        return ""
