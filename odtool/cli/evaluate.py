"""odtool eval: starts the evaluation of a run's checkpoints in the background."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from odtool import checkpoint_choice
from odtool.cli import console, job
from odtool.cli.console import DebugOption, JsonOption, WorkspaceOption
from odtool.jobs import devices, foreground


def evaluate(  # noqa: PLR0913, PLR0917 - a command has as many parameters as options
    run: job.RunArgument = None,
    gpu: Annotated[str, typer.Option("--gpu", help="cpu, or a GPU's number that training does not use.")] = "cpu",
    checkpoint: Annotated[
        str,
        typer.Option(
            help="all (each one, and those to come while training runs), latest, best, or a checkpoint's path."
        ),
    ] = "all",
    sample: Annotated[int, typer.Option(min=1, help="Evaluate 1 of this many images.")] = 1,
    best: job.BestOption = None,
    latest: Annotated[
        bool, typer.Option("--latest", help="Where several checkpoints wait, score only the newest of them.")
    ] = False,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Images that the model gets at once, at most; by default 8 where it can tell them apart. With 1 the "
            "figures are the API's to the last bit; else nearly equal scores may change places.",
        ),
    ] = None,
    in_foreground: job.ForegroundOption = False,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Score a run's checkpoints with the COCO metrics, until training has ended and the last is scored.

    Example: `odtool eval --checkpoint latest --sample 4`
    """
    if latest and checkpoint != "all":
        raise typer.BadParameter("--latest is for --checkpoint all; a single one is named by --checkpoint")
    space = console.workspace(workspace)
    found = space.find_run(run)
    options: list[object] = ["--checkpoint", checkpoint_choice.resolve(found, checkpoint), "--sample", sample]
    options += [*(["--best", best] if best else []), *(["--latest"] if latest else [])]
    options += ["--batch-size", batch_size] if batch_size else []
    choice = devices.choose(devices.find_gpus(), gpu)
    if not in_foreground:
        job.show_started(
            space, found, {"eval": (job.start(space, found, "eval", options, choice), choice)}, as_json=as_json
        )
        return
    with foreground.catching_signals() as received:
        job.start(space, found, "eval", options, choice)
        job.attend(found, ["eval"], received, as_json=as_json)
