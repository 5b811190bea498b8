"""The process of one task: its answer as JSON or its end in the outcome file, and errors in the log."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from odtool import printable, shortage, temporary_folders
from odtool.engine.outcome import (
    Ending,
    FolderWatch,
    Stopped,
    StopSignal,
    add_last_checkpoint,
    explain_failure,
    write_ending,
)
from odtool.errors import OdtoolError
from odtool.workspace import Run


def answer(work: Callable[[], dict[str, Any]], *places: Path, with_api: bool = True) -> int:
    """Writes what a question about a run gives as JSON on stdout: the answer, or `failed` with its cause.

    Args:
        places: where the work writes, for a full disk.
    """
    from odtool.engine import startup

    try:
        if with_api:
            startup.load()
        reply = work()
    except OdtoolError as error:
        reply = {"failed": error.message, "hint": error.hint}
    except Exception as error:  # the API's builders raise anything; the answer is that they do
        if known := shortage.to_error(error, *places):
            reply = {"failed": known.message, "hint": known.hint}
        else:
            say(traceback.format_exc().rstrip())
            reply = {"failed": explain_failure(error).reason, "hint": ""}
    tell(reply)
    return 1 if "failed" in reply else 0


def tell(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def supervise(run: Run, task: str, work: Callable[[StopSignal], Ending]) -> int:
    """Runs a task of a run and writes how it ended, whatever happens short of kill -9."""
    stop = StopSignal()
    stop.listen()
    began = time.monotonic()
    folder = FolderWatch(run)
    try:
        from odtool.engine import startup

        startup.load()
        log = logging.getLogger("odtool.engine")
        log.info("loaded TensorFlow and the Object Detection API in %.1f s", time.monotonic() - began)
        ending = work(stop)
    except Stopped as request:
        ending = Ending("stopped", str(request))
    except OdtoolError as error:
        _show(error)
        ending = Ending("failed", error.message)
    except Exception as error:
        ending = _explain_end(error, run, task, folder)
    stop.defer()  # from here on a signal would only keep the outcome from being written
    with contextlib.suppress(FileNotFoundError):
        if folder.is_gone():
            ending = Ending("failed", f"{run.path} was moved or deleted while it was in use")
        else:
            write_ending(run, task, ending)
    say(f"{task} {ending.state}: {ending.reason}")
    return 1 if ending.state == "failed" else 0


def _explain_end(error: Exception, run: Run, task: str, folder: FolderWatch) -> Ending:
    """How a task of a run ends by an error, which is shown."""
    if folder.is_gone():
        return Ending("failed", "")  # every error follows from that
    if known := shortage.to_error(error, run.path):
        _show(known)
        ending = Ending("failed", known.message)
        return add_last_checkpoint(ending, run) if task == "train" else ending
    say(traceback.format_exc().rstrip())
    return explain_failure(error)


def _show(error: OdtoolError) -> None:
    say(f"error: {error.message}")
    if error.hint:
        say(f"hint: {error.hint}")


def say(text: str) -> None:
    with contextlib.suppress(OSError):  # the disk of the log is full, or nobody reads it any more
        sys.stderr.write(printable.show(text) + "\n")
        sys.stderr.flush()


def leave(code: int) -> NoReturn:
    """Ends the process at once: nothing of it has to be taken apart, which takes seconds and may take minutes."""
    temporary_folders.remove_kept()
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # nobody reads it any more, or the disk of the log is full
            stream.flush()
    os._exit(code)
