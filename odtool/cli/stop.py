"""odtool stop: asks a run's processes to save and end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from odtool.cli import console, job
from odtool.cli.console import DebugOption, JsonOption, WorkspaceOption
from odtool.jobs import shutdown
from odtool.workspace import TASKS


def stop(
    run: job.RunArgument = None,
    task: job.TaskArgument = None,
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
    found, named_task = job.named(console.workspace(workspace), run, task)
    states = shutdown.stop(found, [named_task] if named_task else TASKS, timeout=timeout, kill=kill)
    payload: dict[str, Any] = {"run": found.name, **{name: job.account(state) for name, state in states.items()}}

    def render(out: Console) -> None:
        for name, state in states.items():
            out.out(f"{name:5} of run {found.name}: {job.describe(state)}", highlight=False)

    console.show(payload, as_json=as_json, render=render)
    going = [name for name, state in states.items() if state.state == "running"]
    if going:
        console.warn(
            f"{' and '.join(going)} did not end within {timeout:g} s; it has been asked to and may still be saving. "
            f"Look again with odtool status {found.argument}, or end it: "
            f"odtool stop {found.argument} --timeout 0 --kill"
        )
        raise typer.Exit(1)
