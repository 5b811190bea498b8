"""odtool stop: asks a run's processes to save and end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from odtool.api.run import stop as api
from odtool.cli import console
from odtool.cli.common_options import DebugOption, JsonOption, WorkspaceOption
from odtool.cli.run import run_options
from odtool.workspace import Workspace


def stop(
    run: run_options.RunArgument = None,
    task: run_options.TaskArgument = None,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait for the processes to save and end.")] = 60,
    kill: Annotated[
        bool, typer.Option("--kill", help="Kill what has not ended by then; what it did since its last save is lost.")
    ] = False,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """End a run's training and evaluation, or one of the two, after a last checkpoint.

    Example: `odtool stop my_run eval`
    """
    named_run, named_task = run_options.resolve_names(Workspace(workspace), run, task)
    ended = api.stop(named_run, named_task, timeout=timeout, kill=kill, workspace=workspace)
    payload: dict[str, Any] = {"run": ended.run.name, **{name: job.as_json() for name, job in ended.states.items()}}

    def render(out: Console) -> None:
        for name, job in ended.states.items():
            out.out(f"{name:5} of run {ended.run.name}: {job.describe()}", highlight=False)

    console.show(payload, as_json=as_json, render=render)
    running = [name for name, job in ended.states.items() if job.state == "running"]
    if running:
        console.warn(
            f"{' and '.join(running)} did not end within {timeout:g} s; it has been asked to and may still be saving. "
            f"Look again with odtool status {ended.run.argument}, or end it: "
            f"odtool stop {ended.run.argument} --timeout 0 --kill"
        )
        raise typer.Exit(1)
