"""odtool logs: the end of a task's log, and what is being added to it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from odtool.cli import console, job
from odtool.cli.console import DebugOption, JsonOption, WorkspaceOption
from odtool.errors import JobError
from odtool.jobs import log, state
from odtool.workspace import Run

_POLL = 0.1


def logs(
    run: job.RunArgument = None,
    task: job.TaskArgument = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show what is added, until the task has ended or Ctrl-C.")
    ] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Lines from the end of the log.")] = 50,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show the log of a run's training, or of its evaluation.

    Example: `odtool logs my_run eval -f`
    """
    if follow and as_json:
        raise typer.BadParameter("--follow prints as it goes and cannot be combined with --json")
    found, named_task = job.named(console.workspace(workspace), run, task)
    chosen = named_task or "train"
    path = found.log(chosen)
    if not path.is_file():
        raise JobError(f"{path}: no log yet", f"Start with: odtool {chosen} {found.argument}")
    offset = log.find_tail_offset(path, lines)
    if follow:
        _follow(found, chosen, offset)
        return
    text = b"".join(log.follow(path, offset, ended=lambda: True))
    payload = {
        "run": found.name,
        "task": chosen,
        "path": str(path),
        "lines": text.decode(errors="replace").splitlines(),
    }
    console.show(payload, as_json=as_json, render=lambda _: _write(text))


def _follow(run: Run, task: str, offset: int) -> None:
    for block in log.follow(run.log(task), offset, ended=lambda: state.read(run, task).state != "running"):
        if block:
            _write(block)
        else:
            time.sleep(_POLL)
    console.say(f"{task} of run {run.name}: {job.describe(state.read(run, task))}")


def _write(block: bytes) -> None:
    """Bytes as they are: a log in another encoding must not end the command."""
    sys.stdout.buffer.write(block)
    sys.stdout.buffer.flush()
