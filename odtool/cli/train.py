"""odtool train: starts training, and evaluation beside it, in the background."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Annotated

import typer

from odtool import cluster, locks
from odtool.cli import console, job
from odtool.cli.console import DebugOption, JsonOption, WorkspaceOption
from odtool.cluster import Cluster
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
    best: job.BestOption = None,
    early_stop: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="End after N evaluations without improvement; needs --eval."),
    ] = None,
    time_limit: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Save and stop after this time, as in 2h, 1h30m or 90s."),
    ] = None,
    recover: Annotated[
        bool,
        typer.Option(
            "--recover/--no-recover",
            help="Out of memory: start again from the last checkpoint with half the batch, at most three times.",
        ),
    ] = True,
    in_foreground: job.ForegroundOption = False,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Train a run in the background: it outlives the terminal, and goes on from the newest checkpoint.

    Example: `odtool train --gpu 0 --eval`
    """
    if not evaluate and (early_stop or best):
        raise typer.BadParameter(f"{'--early-stop' if early_stop else '--best'} needs --eval: evaluation is what tells")
    seconds = None if time_limit is None else parse_duration(time_limit)
    space = console.workspace(workspace)
    found = space.find_run(run)
    choice = devices.choose(devices.find_gpus(), gpu)
    group = cluster.find(os.environ)
    if group is not None and group.source == "Slurm" and not in_foreground:
        raise JobError("Slurm ends a task when its command returns", "Add --foreground.")
    every = default_checkpoint_every(_num_steps(found, choice, group))
    options = ["--checkpoint-every", checkpoint_every or every, "--keep-checkpoints", keep_checkpoints]
    options += _cache_options(cache_memory) if cache_memory else ["--cache-memory", "auto"] if cache else []
    options += ["--early-stop", early_stop] if early_stop else []
    options += ["--deadline", time.time() + seconds] if seconds else []

    def begin() -> dict[str, tuple[record.JobRecord, devices.DeviceChoice]]:
        return start(space, found, options, choice, evaluate=evaluate, best=best, recover=recover, group=group)

    if not in_foreground:
        job.show_started(space, found, begin(), as_json=as_json)
        return
    with foreground.catching_signals() as received:
        job.attend(found, list(begin()), received, as_json=as_json)


def parse_duration(text: str) -> float:
    """Seconds in a time as people write it: 2h, 1h30m, 90s, 1.5d.

    Raises:
        typer.BadParameter: it is no such time.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([dhms])", text.lower())
    seconds = sum(float(number) * {"d": 86400, "h": 3600, "m": 60, "s": 1}[unit] for number, unit in parts)
    if "".join(f"{number}{unit}" for number, unit in parts) != text.lower() or not seconds:
        raise typer.BadParameter(f"--time-limit '{text}' is no time; write it as in 2h, 1h30m or 90s")
    return seconds


def _cache_options(size: str) -> list[object]:
    from odtool.pipeline.configure import batch_size_search

    return ["--cache-memory", batch_size_search.parse(size, batch_size_search.find_host_memory(), "--cache-memory")]


def default_checkpoint_every(num_steps: int) -> int:
    """Ten checkpoints, but never closer than 100 steps nor farther apart than 1000, and one in the shortest run."""
    return min(max(num_steps // 10, 100), 1000, max(num_steps, 1))


def _num_steps(run: Run, choice: devices.DeviceChoice, group: Cluster | None) -> int:
    """Refuses a run that training would fail on after minutes; gives its number of steps."""
    from odtool.pipeline.checks import check_list

    devices = choice.count * (len(group.addresses) if group else 1)
    return check_list.check_run(run.pipeline_config, devices=devices).num_steps


def start(
    space: Workspace,
    run: Run,
    options: list[object],
    choice: devices.DeviceChoice,
    *,
    evaluate: bool,
    best: str | None = None,
    recover: bool = True,
    group: Cluster | None = None,
) -> dict[str, tuple[record.JobRecord, devices.DeviceChoice]]:
    """Starts training and, where asked for, evaluation beside it on the CPU: of several processes, beside the chief."""
    scores = evaluate and (group is None or group.is_chief)
    if scores and locks.is_held(run.job_lock("eval")) and not locks.is_held(run.job_lock("train")):
        raise JobError(
            f"eval of run '{run.name}' is already running, so that --eval cannot start another; nothing was started",
            f"Train without --eval: an evaluation of all checkpoints follows. Or: odtool stop {run.argument}",
        )
    training = job.start(space, run, "train", options, choice, recover=recover, group=group)
    started = {cluster.task_of(group): (training, choice)}
    if scores:
        # After training, whose lock tells evaluation that more checkpoints are to come.
        scoring: list[object] = ["--checkpoint", "all", "--sample", 1, *(["--best", best] if best else [])]
        cpu = devices.choose(devices.Inventory(()), "cpu")
        started["eval"] = (job.start(space, run, "eval", scoring, cpu), cpu)
    return started
