"""odtool train: starts training, and evaluation beside it, in the background."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from odtool.api.run import train as api
from odtool.cli import console
from odtool.cli.common_options import DebugOption, GpuMemoryOption, JsonOption, WorkspaceOption
from odtool.cli.run import run_options, task_output


def train(  # noqa: PLR0913, PLR0917 - a command has as many parameters as options
    run: run_options.RunArgument = None,
    gpu: Annotated[
        str | None,
        typer.Option(
            "--gpu",
            help="GPU numbers as in 0 or 0,1, or cpu. The first GPU by default, else the CPU.",
            metavar="N,...|cpu",
        ),
    ] = None,
    gpu_memory: GpuMemoryOption = None,
    evaluate: Annotated[
        bool, typer.Option("--eval/--no-eval", help="Evaluate each checkpoint as it appears, on the CPU.")
    ] = False,
    checkpoint_every: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Steps between checkpoints; the last step always has one. "
            "By default a tenth of all steps, but at least 100 and at most 1000.",
        ),
    ] = None,
    keep_checkpoints: Annotated[int, typer.Option(min=1, help="How many of the newest checkpoints to keep.")] = 5,
    cache: Annotated[
        bool, typer.Option("--cache", help="Keep the encoded records in memory once read, in half of what is free.")
    ] = False,
    cache_memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help="The same, in this much memory: 8GB, 500MB or 25%. The rest is read from disk."
        ),
    ] = None,
    best: run_options.BestOption = None,
    early_stop: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="End after N evaluations without improvement; needs --eval."),
    ] = None,
    time_limit: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Save and stop after this time, as in 2h, 1h30m or 90s."),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Compute the networks in float32 or bfloat16. By default as the run was trained before, else float32.",
        ),
    ] = None,
    recover: Annotated[
        bool,
        typer.Option(
            "--recover/--no-recover",
            help="Out of memory: start again from the last checkpoint with half the batch, at most three times.",
        ),
    ] = True,
    foreground: run_options.ForegroundOption = False,
    notify_target: run_options.NotifyOption = None,
    track: Annotated[
        str | None,
        typer.Option(
            metavar="mlflow|wandb|none",
            help="Tell an experiment tracker of the run, from a process beside it; as before by default.",
        ),
    ] = None,
    track_artifacts: Annotated[
        bool | None,
        typer.Option(
            "--track-artifacts",
            help="Send it pipeline.config, report and checkpoints, too; as before by default, and not at first.",
        ),
    ] = None,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Train a run in the background: it outlives the terminal, and goes on from the newest checkpoint.

    Example: `odtool train --gpu 0 --eval`
    """
    task_output.start(
        lambda: api.train(
            run,
            gpu=gpu,
            gpu_memory=gpu_memory,
            evaluate=evaluate,
            checkpoint_every=checkpoint_every,
            keep_checkpoints=keep_checkpoints,
            cache=cache,
            cache_memory=cache_memory,
            best=best,
            early_stop=early_stop,
            time_limit=time_limit,
            precision=precision,
            recover=recover,
            foreground=foreground,
            notify_target=notify_target,
            track=track,
            track_artifacts=track_artifacts,
            workspace=workspace,
            notify=console.warn,
        ),
        workspace,
        foreground=foreground,
        as_json=as_json,
    )
