"""odtool eval: starts the evaluation of a run's checkpoints in the background."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from odtool.api.run import evaluate as api
from odtool.cli import console
from odtool.cli.common_options import DebugOption, GpuMemoryOption, JsonOption, PartOption, WorkspaceOption
from odtool.cli.run import run_options, task_output


def evaluate(  # noqa: PLR0913, PLR0917 - a command has as many parameters as options
    run: run_options.RunArgument = None,
    gpu: Annotated[
        str, typer.Option("--gpu", help="cpu, or the number of a GPU that has room.", metavar="N|cpu")
    ] = "cpu",
    gpu_memory: GpuMemoryOption = None,
    checkpoint: Annotated[
        str,
        typer.Option(
            help="all (each one, and those to come while training runs), latest, best, or a checkpoint's path.",
            metavar="WHICH|PATH",
        ),
    ] = "all",
    sample: Annotated[int, typer.Option(min=1, help="Evaluate 1 of this many images.")] = 1,
    best: run_options.BestOption = None,
    latest: Annotated[
        bool, typer.Option("--latest", help="If several checkpoints are waiting, score only the newest.")
    ] = False,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Most images predicted at once; by default 8 if the model treats images independently. With 1 the "
            "figures are the API's to the last bit; otherwise nearly equal scores may change order.",
        ),
    ] = None,
    part: PartOption = None,
    join: Annotated[
        bool,
        typer.Option("--join", help="Score a checkpoint from the parts of its results, as one machine would have."),
    ] = False,
    foreground: run_options.ForegroundOption = False,
    notify_target: run_options.NotifyOption = None,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Score a run's checkpoints with the COCO metrics, until training has ended and the last is scored.

    Example: `odtool eval --checkpoint latest --sample 4`
    """
    task_output.start(
        lambda: api.evaluate(
            run,
            gpu=gpu,
            gpu_memory=gpu_memory,
            checkpoint=checkpoint,
            sample=sample,
            best=best,
            latest=latest,
            batch_size=batch_size,
            part=part,
            join=join,
            notify=console.say,
            notify_target=notify_target,
            workspace=workspace,
        ),
        workspace,
        foreground=foreground,
        as_json=as_json,
    )
