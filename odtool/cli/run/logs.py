"""odtool logs: the end of a task's log, and what is being added to it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from odtool.api.run import logs as api
from odtool.api.run.logs import Log, LogRequest
from odtool.cli import console
from odtool.cli.common_options import DebugOption, JsonOption, WorkspaceOption
from odtool.cli.run import run_options
from odtool.workspace import Workspace


def logs(
    run: run_options.RunArgument = None,
    task: run_options.TaskArgument = None,
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
    named_run, named_task = run_options.resolve_names(Workspace(workspace), run, task)
    log = api.open_log(named_run, named_task or LogRequest.task, lines=lines, workspace=workspace)
    if follow:
        _follow(log)
        return
    text = log.read()
    payload = {
        "run": log.run.name,
        "task": log.task,
        "path": str(log.path),
        "lines": text.decode(errors="replace").splitlines(),
    }
    console.show(payload, as_json=as_json, render=lambda _: console.write_log(sys.stdout.buffer, text))


def _follow(log: Log) -> None:
    console.say(f"{log.path}, as it grows until {log.task} has ended")
    for block in log.follow():
        console.write_log(sys.stdout.buffer, block)
    console.say(f"{log.task} of run {log.run.name}: {log.state().describe()}")
