"""Progress as it is shown while a command works: a bar or a spinner on a terminal, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from odtool.cli import console
from odtool.units import format_duration

_PLAIN_PROGRESS_EVERY = 10.0
"""Seconds between progress lines where there is no terminal."""
_BAR_EVERY = 0.1
"""Seconds between drawings of a progress bar."""
Report = Callable[[int, int], None]
"""Called with items done and bytes done so far; 0 bytes where none are moved."""


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Report]:
    """Shows items/s, MB/s and the time left: a bar on a terminal, else a line every ten seconds.

    Without a total, what there is to be said of the items done.
    """
    started = time.monotonic()
    if console.stderr.is_terminal:
        with _bar(label, total, started) as report:
            yield report
        return
    last = started

    def report_line(done: int, size: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PLAIN_PROGRESS_EVERY:
            last = now
            of_all = "" if total is None else f"/{total:,}"
            console.say(f"{label} {done:,}{of_all}, {_rates(done, size, total, now - started)}")

    yield report_line


@contextmanager
def _bar(label: str, total: int | None, started: float) -> Iterator[Report]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rates]}"))
    # Without the thread that draws by itself: a command of one thread can fork its workers.
    with Progress(*columns, console=console.stderr, transient=True, auto_refresh=False) as bar:
        task = bar.add_task(label, total=total, rates="")
        drawn = started

        def report(done: int, size: int) -> None:
            nonlocal drawn
            now = time.monotonic()
            if now - drawn >= _BAR_EVERY:
                drawn = now
                bar.update(task, completed=done, rates=_rates(done, size, total, now - started), refresh=True)

        yield report


@contextmanager
def spinner(first: str = "", *, lines: bool = False) -> Iterator[Callable[[str], None]]:
    """Shows what is being done, and for how long: beside a spinner on a terminal; elsewhere a line each, or nothing."""
    if not console.stderr.is_terminal:
        yield console.say if lines else lambda _text: None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console.stderr, transient=True) as bar:
        task = bar.add_task(first, total=None)
        yield lambda text: bar.update(task, description=text)


def _rates(done: int, size: int, total: int | None, seconds: float) -> str:
    seconds = max(seconds, 1e-6)
    speed = done / seconds
    moved = f", {size / seconds / 1e6:,.1f} MB/s" if size else ""
    left = f", {format_duration((total - done) / speed)} left" if speed > 0 and total is not None else ""
    return f"{speed:,.0f}/s{moved}{left}"
