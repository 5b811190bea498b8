"""The terminal: rich's console, but what comes from outside is shown and never obeyed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from odtool import printable


class Terminal(Console):
    """A console on which a text is one line, and control characters within it are visible."""

    def print(self, *objects: Any, **options: Any) -> None:
        # Before rich sees them, which drops some of them without a trace.
        super().print(*(printable.show_line(item) if isinstance(item, str) else item for item in objects), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Everything that is drawn passes here, be it in a table, a progress bar or a live screen."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable.show(segment.text), segment.style)
