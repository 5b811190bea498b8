"""odtool train: starts training, and evaluation beside it, in the background."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from odtool.cli import console, job
from odtool.cli.console import DebugOption, JsonOption, WorkspaceOption
from odtool.errors import JobError
from odtool.jobs import devices, foreground, record
from odtool.workspace import Run, Workspace


def train(  # noqa: PLR0913, PLR0917 - a command has as many parameters as options
    run: job.RunArgument = None,
    gpu: Annotated[
        str | None,
        typer.Option("--gpu", help="GPU numbers as in 0 or 0,1, or cpu. The first GPU by default, else the CPU."),
    ] = None,
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
    in_foreground: job.ForegroundOption = False,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Train a run in the background: it outlives the terminal, and goes on from the newest checkpoint.

    Example: `odtool train --gpu 0 --eval`
    """
    space = console.workspace(workspace)
    found = space.find_run(run)
    choice = devices.choose(devices.inventory(), gpu)
    every = default_checkpoint_every(_num_steps(found, choice))
    options = ["--checkpoint-every", checkpoint_every or every, "--keep-checkpoints", keep_checkpoints]
    options += _cache_options(cache_memory) if cache_memory else ["--cache-memory", "auto"] if cache else []
    if not in_foreground:
        job.show_started(space, found, start(space, found, options, choice, evaluate=evaluate), as_json=as_json)
        return
    with foreground.signals_caught() as received:
        started = start(space, found, options, choice, evaluate=evaluate)
        job.attend(found, list(started), received, as_json=as_json)


def _cache_options(size: str) -> list[object]:
    from odtool.pipeline import memory

    return ["--cache-memory", memory.parse(size, memory.host_memory(), "--cache-memory")]


def default_checkpoint_every(num_steps: int) -> int:
    """Ten checkpoints, but never closer than 100 steps nor farther apart than 1000, and one in the shortest run."""
    return min(max(num_steps // 10, 100), 1000, max(num_steps, 1))


def _num_steps(run: Run, choice: devices.Choice) -> int:
    """Refuses a run that training would fail on after minutes; gives its number of steps."""
    from odtool.pipeline import checks

    settings = checks.check_before_training(run.pipeline_config)
    if settings.batch_size % choice.count:
        raise JobError(
            f"{run.pipeline_config}: batch_size {settings.batch_size} cannot be shared by {choice.count} GPUs",
            f"Set a multiple of {choice.count} with odtool configure --batch-size, or use fewer GPUs.",
        )
    return settings.num_steps


def start(
    space: Workspace, run: Run, options: list[object], choice: devices.Choice, *, evaluate: bool
) -> dict[str, tuple[record.JobRecord, devices.Choice]]:
    """Starts training and, where asked for, evaluation beside it on the CPU."""
    started = {"train": (job.start(space, run, "train", options, choice), choice)}
    if evaluate:
        # After training, whose lock tells evaluation that more checkpoints are to come.
        cpu = devices.choose(devices.Inventory(()), "cpu")
        started["eval"] = (job.start(space, run, "eval", ["--checkpoint", "all", "--sample", 1], cpu), cpu)
    return started
