"""The one place where errors become messages and exit codes, and signals an orderly end."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import typer
from rich.markup import escape

from odtool import shortage
from odtool.api.requests import RequestError
from odtool.cli import console
from odtool.errors import OdtoolError

UsageError: Any = typer.BadParameter.__base__
"""Of Click, or of the copy of it that later versions of Typer hold."""
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


def run(app: typer.Typer) -> None:
    """Runs the app; the one place where errors become messages and exit codes."""
    console.shown_objects.clear()
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names need not be UTF-8
    try:
        with _clearing_up():
            code = app(standalone_mode=False)  # so that wrong usage reaches this boundary, too
    except UsageError as error:
        _fail(*_explain_usage(error), code=2)
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
    raise SystemExit(code)


def _explain_usage(error: Any) -> tuple[str, str]:
    """What Click says of wrong usage, in the form of every other error."""
    if error.ctx is not None and type(error).__name__ == "NoArgsIsHelpError":
        raise SystemExit(2)  # asking for the text has printed the help
    named = getattr(error, "param", None) or getattr(error, "param_hint", None)
    is_value = isinstance(error, typer.BadParameter) and not named  # which Click has no better words for
    text = (error.message if is_value else error.format_message()).rstrip(".")
    return text[:1].lower() + text[1:], f"See: {error.ctx.command_path} --help" if error.ctx is not None else ""


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
            console.stderr.print(line, markup=False)
    if "--json" in sys.argv and not console.shown_objects:
        _write_out(json.dumps({"error": message, "hint": hint} | ({"details": details} if details else {})) + "\n")
    console.stderr.print(f"[red]error:[/] {escape(message)}")
    for line in details:
        console.stderr.print(f"  {escape(line)}")
    if hint:
        console.stderr.print(f"[dim]hint:[/] {escape(hint)}")
    raise SystemExit(code)
