"""What every command shares: its common options, tables, progress, --json, and the one error boundary."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, BinaryIO

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from odtool import printable, shortage
from odtool.api.requests import RequestError, find_workspace
from odtool.cli.terminal import Terminal
from odtool.errors import OdtoolError
from odtool.units import format_duration
from odtool.workspace import Workspace

_PLAIN_PROGRESS_EVERY = 10.0
"""Seconds between progress lines where there is no terminal."""
_BAR_EVERY = 0.1
"""Seconds between drawings of a progress bar."""


def _set_debug(value: bool) -> bool:
    if value:
        os.environ["ODTOOL_DEBUG"] = "1"
    return value


def _as_workspace(value: Path) -> Path:
    return find_workspace(value).root


WorkspaceOption = Annotated[
    Path,
    typer.Option("--workspace", "-w", help="Folder with data/, model_zoo/ and train/.", callback=_as_workspace),
]
GpuMemoryOption = Annotated[
    str | None,
    typer.Option(
        metavar="grow|SIZE|all", help="Of the GPU: as needed, at most 8GB or 40%, or all of it, as TensorFlow takes it."
    ),
]
PartOption = Annotated[
    str | None,
    typer.Option(
        metavar="K/N|auto|none",
        help="Do part K of N only, on several machines; auto, as Slurm or Kubernetes says (auto/N where it tells no "
        "number). By default everything, but in a Slurm step of several tasks the task's part.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, messages on stderr.")]
DebugOption = Annotated[
    bool,
    typer.Option("--debug", help="Show the traceback of an error.", is_eager=True, callback=_set_debug),
]

_OPTIONS = {
    "sources": "SOURCE",
    "run": "RUN",
    "task": "train|eval",
    "evaluate": "--eval",
    "assignments": "--set",
    "formats": "--format",
    "precisions": "--tflite",
    "notify_target": "--notify",
}
"""What gives a field whose option is not called like it."""

stdout = Terminal()
stderr = Terminal(stderr=True)


_shown: list[dict[str, Any]] = []
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
        _shown.append(payload)
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


Report = Callable[[int, int], None]
"""Called with items done and bytes done so far; 0 bytes where none are moved."""


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Report]:
    """Shows items/s, MB/s and the time left: a bar on a terminal, else a line every ten seconds.

    Without a total, what there is to be said of the items done.
    """
    started = time.monotonic()
    if stderr.is_terminal:
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
            say(f"{label} {done:,}{of_all}, {_rates(done, size, total, now - started)}")

    yield report_line


@contextmanager
def _bar(label: str, total: int | None, started: float) -> Iterator[Report]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rates]}"))
    # Without the thread that draws by itself: a command of one thread can fork its workers.
    with Progress(*columns, console=stderr, transient=True, auto_refresh=False) as bar:
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
    if not stderr.is_terminal:
        yield say if lines else lambda _text: None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=stderr, transient=True) as bar:
        task = bar.add_task(first, total=None)
        yield lambda text: bar.update(task, description=text)


def _rates(done: int, size: int, total: int | None, seconds: float) -> str:
    seconds = max(seconds, 1e-6)
    speed = done / seconds
    moved = f", {size / seconds / 1e6:,.1f} MB/s" if size else ""
    left = f", {format_duration((total - done) / speed)} left" if speed > 0 and total is not None else ""
    return f"{speed:,.0f}/s{moved}{left}"


def run(app: typer.Typer) -> None:
    """Runs the app; the one place where errors become messages and exit codes."""
    _shown.clear()
    _open_closed_streams()
    if os.environ.get("NO_COLOR"):
        _keep_usage_plain()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names need not be UTF-8
    try:
        with _clearing_up():
            app()
    except RequestError as error:
        _fail(f"{name_option(error.field)} {error.problem}", error.hint, code=2)
    except OdtoolError as error:
        _fail(error.message, error.hint, details=error.details)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        _leave_stdout()  # the reader of our output (head, less) has gone
        raise SystemExit(1) from None
    except OSError as error:
        _fail(*_explain(error))
    except Exception as error:  # the boundary: whatever is left is our fault and says so
        _fail(
            f"internal error: {type(error).__name__}: {error}",
            "This is a fault of odtool. Run again with --debug and report what it prints.",
        )


def _keep_usage_plain() -> None:
    """What Typer itself prints, of wrong usage, follows NO_COLOR, too."""
    from typer import rich_utils

    rich_utils.COLOR_SYSTEM, rich_utils.FORCE_TERMINAL = None, False


@contextmanager
def _clearing_up() -> Iterator[None]:
    """SIGTERM, and a terminal that closes, end a command as Ctrl-C does: what it has begun and started goes with it.

    Left alone are signals that somebody has other plans for, as nohup has for SIGHUP.
    """
    caught = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) == signal.SIG_DFL]

    def end(number: int, _frame: FrameType | None) -> None:
        for each in caught:  # the clearing up is not to be ended half-way
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for number in caught:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


def _open_closed_streams() -> None:
    """Puts /dev/null where stdin, stdout or stderr is closed, so that no file of ours gets its number."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)


def _explain(error: OSError) -> tuple[str, str]:
    where = f"{error.filename}: " if error.filename else ""
    hints = {
        errno.EACCES: "Give yourself the right to read or write there, or name another folder.",
        errno.EPERM: "Give yourself the right to read or write there, or name another folder.",
        errno.EROFS: "That file system is read-only: name another folder.",
    }
    known = None if error.errno in hints else shortage.to_error(error)
    if known and (where or error.errno in (errno.EMFILE, errno.ENFILE)):
        return f"{where}{known.message}", known.hint
    hints[errno.ENOSPC] = "The disk is full: free some space or write to another folder."
    return f"{where}{error.strerror or error}", hints.get(error.errno or 0, "Run again with --debug for the details.")


def _write_out(text: str) -> None:
    """Prints to stdout as far as that takes it: a full disk there may be the very error."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        _leave_stdout()


def _leave_stdout() -> None:
    """Nothing more goes to where nothing can be written, not even what is flushed at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def name_option(field: str) -> str:
    """The option that gives a request's field, as it is typed."""
    return _OPTIONS.get(field) or f"--{field.replace('_', '-')}"


def _fail(message: str, hint: str, code: int = 1, *, details: Sequence[str] = ()) -> None:
    if os.environ.get("ODTOOL_DEBUG"):
        for line in traceback.format_exc().splitlines():
            stderr.print(line, markup=False)
    if "--json" in sys.argv and not _shown:
        _write_out(json.dumps({"error": message, "hint": hint} | ({"details": details} if details else {})) + "\n")
    stderr.print(f"[red]error:[/] {escape(message)}")
    for line in details:
        stderr.print(f"  {escape(line)}")
    if hint:
        stderr.print(f"[dim]hint:[/] {escape(hint)}")
    raise SystemExit(code)


def workspace(path: Path) -> Workspace:
    """The workspace that --workspace names."""
    return Workspace(path)
