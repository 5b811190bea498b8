"""Telling an experiment tracker of a run now: all of it, or what it has not been told yet."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import KW_ONLY, dataclass
from typing import Any

from odtool import locks
from odtool.api.requests import RunName, StrPath, find_run, takes
from odtool.api.tasks import tracking_feed
from odtool.errors import JobError
from odtool.jobs import attached
from odtool.workspace import Run


@dataclass(frozen=True)
class TrackRequest:
    """What `odtool track` is asked for."""

    run: RunName | None = None
    """The newest by default."""
    _: KW_ONLY
    to: str | None = None
    """"mlflow" or "wandb", or "none" to track the run no longer; as before by default."""
    artifacts: bool | None = None
    """Send config, report and checkpoints, too; as before by default, and not at first."""
    workspace: StrPath = "."

    def __post_init__(self) -> None:
        tracking_feed.refuse_unknown("to", self.to)


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker was told of a run, this time."""

    run: Run
    tracker: str
    where: str
    """The tracker's address; for Weights & Biases the folder of its files."""
    project: str
    remote: str
    """The tracker's own name of the run."""
    lines: int
    """Of metrics.jsonl."""
    points: int
    artifacts: int


@takes(TrackRequest)
def track(request: TrackRequest) -> TrackedRun | None:
    """Tells a run's tracker everything that it has not been told. None where the run is tracked no longer.

    Raises:
        OdtoolError: there is no such run or tracker, it is being told already, or it could not be told everything;
            what arrived is not told again.
    """
    chosen = find_run(request.workspace, request.run)
    run = chosen.run
    known = tracking_feed.choose(chosen, request.to, request.artifacts)
    if known is None:
        if request.to == tracking_feed.NONE:
            return None
        raise JobError(f"run '{run.name}' has no tracker", f"Name one: odtool track {run.argument} --to mlflow")
    lock = locks.acquire(run.job_lock(tracking_feed.TASK))
    if lock is None:
        raise JobError(
            f"{known.tracker} is being told of run '{run.name}' already",
            f"That goes on as long as the run trains; its log: {run.log(tracking_feed.TASK)}",
        )
    try:
        answer = _tell(run)
    finally:
        os.close(lock)
    where = known.where or str(run.path / "wandb")
    counts = (answer["lines"], answer["points"], answer["artifacts"])
    return TrackedRun(run, known.tracker, where, known.project, answer["remote"], *counts)


def _tell(run: Run) -> dict[str, Any]:
    ended = subprocess.run(
        tracking_feed.command(run, "once"),
        env={**os.environ, **tracking_feed.ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        preexec_fn=attached.bind_to_parent(os.getpid()),
        check=False,  # what it says tells more
    )
    lines = [line for line in ended.stderr.splitlines() if line.strip()]
    last = lines[-1] if lines else f"its process ended with {ended.returncode}"
    again = f"Catch up later: odtool track {run.argument}"
    try:
        answer = json.loads(ended.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        raise JobError(f"run '{run.name}' could not be told of: {last}", again) from None
    if "failed" in answer:
        raise JobError(answer["failed"], answer["hint"])
    if not answer["all"]:
        raise JobError(f"run '{run.name}' could not be told of in full: {last}", again)
    return dict(answer)
