"""Which checkpoint of a run is meant: the one answer, for everything that takes a checkpoint."""

from __future__ import annotations

import glob
from pathlib import Path

from odtool.errors import JobError
from odtool.workspace import Run


def find(run: Run, wanted: str | None = None) -> Path:
    """Prefix of the checkpoint asked for: "best", "latest", or a path from here or from the run's folder.

    Where nothing is asked for, it is the best, or else the latest.

    Raises:
        JobError: there is no such checkpoint.
    """
    if wanted is None:
        wanted = "best" if run.best_checkpoint() else "latest"
    if wanted == "best":
        return _best(run)
    if wanted == "latest":
        return _latest(run)
    return _named(run, wanted)


def _best(run: Run) -> Path:
    best = run.best_checkpoint()
    if best is None:
        raise JobError(f"{run.best}: no best checkpoint yet", f"Evaluate all first: odtool eval {run.argument}")
    return best


def _latest(run: Run) -> Path:
    present = run.checkpoints()
    if not present:
        raise JobError(f"run '{run.name}' has no checkpoint yet", f"Train it first: odtool train {run.argument}")
    return present[max(present)]


def _named(run: Run, wanted: str) -> Path:
    """With or without .index."""
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
