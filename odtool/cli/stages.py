"""What a command says while it works in stages: on a terminal the present one moves, and does not look hung."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.text import Text

from odtool import printable
from odtool.cli import console, progress_display

if TYPE_CHECKING:
    from rich.status import Status


class Stages:
    """Takes the messages and the bars of an API call: each stage is a line, the last beside a spinner until it is over.

    For commands whose work is done in processes started anew: a thread draws the spinner, and forks lose threads.
    """

    def __init__(self, status: Status | None) -> None:
        self._status = status
        self._stage = ""

    def notify(self, text: str) -> None:
        """Begins a stage."""
        self.end()
        if self._status is None:
            console.say(text)
            return
        self._stage = text
        self._status.update(Text(printable.show_line(console.stderr.shorten_paths(text))))
        self._status.start()

    def end(self) -> None:
        """Leaves the present stage's message as a line."""
        if self._status is not None and self._stage:
            self._status.stop()
            console.say(self._stage)
            self._stage = ""

    @contextmanager
    def progress(self, label: str, total: int | None) -> Iterator[progress_display.Report]:
        """A bar, which takes the spinner's place."""
        self.end()
        with progress_display.progress(label, total) as report:
            yield report


@contextmanager
def open_stages(first: str = "") -> Iterator[Stages]:
    """The stages of one call; `first` is what begins with it."""
    stages = Stages(console.stderr.status("") if console.stderr.is_terminal else None)
    try:
        if first:
            stages.notify(first)
        yield stages
    finally:
        stages.end()
