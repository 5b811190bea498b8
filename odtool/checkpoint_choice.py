"""Which checkpoint of a run is meant by 'best', 'latest' or a path, or where nothing is said."""

from __future__ import annotations

import glob
from pathlib import Path

from odtool import locks
from odtool.errors import JobError
from odtool.workspace import Run


def find(run: Run, choice: str | None = None) -> Path:
    """Prefix of the checkpoint that is meant; by default of the best, or of the latest where none is the best yet.

    Args:
        choice: 'best', 'latest', or a path from here or from the run's folder, with or without .index.

    Raises:
        JobError: there is no such checkpoint.
    """
    best = run.best_checkpoint()
    if choice is None:
        choice = "best" if best else "latest"
    if choice == "latest":
        return _find_latest(run)
    if choice != "best":
        return _find_path(run, choice)
    if best is None:
        raise JobError(f"{run.best}: no best checkpoint yet", f"Evaluate all first: odtool eval {run.argument}")
    return best


def resolve(run: Run, choice: str) -> str:
    """What another process is to be told, seconds before it looks: the words as they are, a path as an absolute one.

    Raises:
        JobError: there is no such checkpoint; for 'all', none to wait for either.
    """
    if choice == "all":
        refuse_without(run)
        return choice
    prefix = find(run, choice)
    return choice if choice in ("best", "latest") else str(prefix)


def refuse_without(run: Run) -> None:
    """Raises JobError where there is no checkpoint and no training that will save one."""
    if not run.checkpoints() and not locks.is_held(run.job_lock("train")):
        raise JobError(f"run '{run.name}' has no checkpoint", f"Train it first: odtool train {run.argument}")


def _find_latest(run: Run) -> Path:
    refuse_without(run)
    present = run.checkpoints()
    if not present:
        raise JobError(
            f"run '{run.name}' has no checkpoint yet", "Wait for the first: odtool status shows how far training is."
        )
    return present[max(present)]


def _find_path(run: Run, choice: str) -> Path:
    for folder in (Path.cwd(), run.path):
        prefix = folder / choice.removesuffix(".index")
        if not Path(f"{prefix}.index").is_file():  # with_name refuses the folder / itself
            continue
        if not any(prefix.parent.glob(f"{glob.escape(prefix.name)}.data-*")):
            raise JobError(
                f"{prefix}: the checkpoint lacks its .data file", "Copy the .index and .data files together."
            )
        for own in (run.path, run.best):
            if prefix.parent.resolve() == own.resolve():
                return own / prefix.name  # not another spelling, over a link: evaluation tells its own by the folder
        return prefix.resolve()
    names = ", ".join(path.name for path in run.checkpoints().values()) or "none yet"
    raise JobError(
        f"{choice}: no such checkpoint: neither {Path.cwd()} nor {run.path} has {choice.removesuffix('.index')}.index",
        f"Checkpoints of {run.name}: {names}",
    )
