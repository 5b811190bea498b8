"""odtool track: tells an experiment tracker of a run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from odtool.api.run import track as api
from odtool.cli import console
from odtool.cli.common_options import DebugOption, JsonOption, WorkspaceOption
from odtool.cli.run import run_options


def track(
    run: run_options.RunArgument = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="mlflow|wandb|none", help="The tracker; as before by default. none: tracked no longer."),
    ] = None,
    artifacts: Annotated[
        bool | None,
        typer.Option(
            "--artifacts/--no-artifacts",
            help="Send pipeline.config, report and checkpoints, too; as before by default, and not at first.",
        ),
    ] = None,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Tell MLflow or Weights & Biases of a run: all of it at first, then what it has not been told yet.

    Example: `odtool track my_run --to mlflow`
    """
    told = api.track(run, to=to, artifacts=artifacts, workspace=workspace)
    payload: dict[str, Any] = {"tracker": None}
    if told is not None:
        payload = {**asdict(told), "run": told.run.name, "path": str(told.run.path)}

    def render(out: Console) -> None:
        if told is None:
            out.out("tracked no longer; what was told stays where it is", highlight=False)
            return
        out.out(
            f"told {told.tracker} of run {told.run.name}: {told.points:,} values, {told.artifacts:,} files",
            highlight=False,
        )
        out.out(f"  {told.where}, {told.project}, {told.remote}", highlight=False)

    console.show(payload, as_json=as_json, render=render)
