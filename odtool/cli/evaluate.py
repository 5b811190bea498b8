"""odtool eval: starts the evaluation of a run's checkpoints in the background."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Annotated

import typer

from odtool import locks
from odtool.cli import console, job
from odtool.cli.console import DebugOption, JsonOption, WorkspaceOption
from odtool.errors import JobError
from odtool.jobs import devices, foreground
from odtool.workspace import Run


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
    options: list[object] = ["--checkpoint", resolve_checkpoint(found, checkpoint), "--sample", sample]
    options += [*(["--best", best] if best else []), *(["--latest"] if latest else [])]
    options += ["--batch-size", batch_size] if batch_size else []
    choice = devices.choose(devices.inventory(), gpu)
    if not in_foreground:
        job.show_started(
            space, found, {"eval": (job.start(space, found, "eval", options, choice), choice)}, as_json=as_json
        )
        return
    with foreground.signals_caught() as received:
        job.start(space, found, "eval", options, choice)
        job.attend(found, ["eval"], received, as_json=as_json)


def resolve_checkpoint(run: Run, wanted: str) -> str:
    """What the engine is told to evaluate: all, latest, best, or a checkpoint's absolute prefix.

    Raises:
        JobError: there is no such checkpoint, or none to wait for.
    """
    if wanted == "best":
        if run.best_checkpoint() is None:
            raise JobError(f"{run.best}: no best checkpoint yet", f"Evaluate all first: odtool eval {run.argument}")
        return wanted
    if wanted in ("all", "latest"):
        training = locks.is_held(run.job_lock("train"))
        if not run.checkpoints() and not training:
            raise JobError(
                f"{run.path}: no checkpoint to evaluate, and nothing is training",
                f"Train first: odtool train {run.argument}",
            )
        if not run.checkpoints() and wanted == "latest":
            raise JobError(f"{run.path}: no checkpoint yet", "Wait for the first, or evaluate all as they appear.")
        return wanted
    return str(_prefix(run, wanted))


def _prefix(run: Run, wanted: str) -> Path:
    """A checkpoint named by a path from here or from the run's folder, with or without .index."""
    for folder in (Path.cwd(), run.path):
        prefix = folder / wanted.removesuffix(".index")
        if not Path(f"{prefix}.index").is_file():
            continue
        if not any(prefix.parent.glob(f"{glob.escape(prefix.name)}.data-*")):
            raise JobError(
                f"{prefix}: the checkpoint lacks its .data file", "Copy the .index and .data files together."
            )
        for own in (run.path, run.best):
            if prefix.parent.resolve() == own.resolve():
                return own / prefix.name  # not another spelling, over a link: the engine tells its own by the folder
        return prefix.resolve()
    known = ", ".join(path.name for path in run.checkpoints().values()) or "none yet"
    raise JobError(
        f"{wanted}: no such checkpoint: neither {Path.cwd()} nor {run.path} has {wanted.removesuffix('.index')}.index",
        f"Checkpoints of {run.name}: {known}",
    )
