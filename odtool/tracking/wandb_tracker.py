"""A run in Weights & Biases, online or offline as its own settings (WANDB_MODE, WANDB_API_KEY) say."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from odtool.tracking.place import TrackingPlace
from odtool.tracking.points import MetricPoint
from odtool.workspace import Run

_STEP = "step"
"""The curves' common axis: W&B's own step may only grow, and training that goes on from a checkpoint goes back.

W&B's own is the place of the line in metrics.jsonl: W&B passes over what is not beyond the last that it has, so that
lines that are told again after a crash are there once. Only offline it cannot ask for that last one.
"""


def connect(run: Run, place: TrackingPlace) -> tuple[WandbRun, str]:
    """The run as a run of W&B, by its id or as a new one. Its files are in the run's own folder wandb/."""
    import wandb

    remote = place.remote or secrets.token_hex(8)
    # Nothing of this process is of interest: neither its output nor what the machine does beside it.
    settings = wandb.Settings(console="off", x_disable_stats=True, silent=True)
    opened = wandb.init(
        project=place.project, id=remote, name=run.name, resume="allow", dir=str(run.path), settings=settings
    )
    opened.define_metric(_STEP, hidden=True)
    opened.define_metric("*", step_metric=_STEP)
    return WandbRun(opened), remote


class WandbRun:
    """One of W&B's runs."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def set_parameters(self, parameters: Mapping[str, str]) -> None:
        self._run.config.update(dict(parameters), allow_val_change=True)

    def log(self, points: Sequence[MetricPoint], *, doubtful: bool) -> None:  # noqa: ARG002 - as Tracker has it
        """All points of a line together. What is doubtful is told again, and W&B takes what it has not yet."""
        for place, line in groupby(points, key=lambda point: point.place):
            together = list(line)
            values = {point.name: point.value for point in together}
            content = {_STEP: together[0].step, "time": together[0].time, **values}
            # A step of 0 is what W&B begins with. A line is whole: nothing is to be waited for.
            self._run.log(content, step=place + 1, commit=True)

    def upload(self, path: Path, folder: str) -> None:
        import wandb

        kind = "model" if path.name.startswith("ckpt-") else "file"
        name = f"{self._run.id}-{folder}-{path.name}" if folder else f"{self._run.id}-{path.name}"
        artifact = wandb.Artifact("".join(c if c.isalnum() or c in "-_." else "_" for c in name), type=kind)
        artifact.add_file(str(path))
        self._run.log_artifact(artifact)

    def close(self, state: str) -> None:
        self._run.finish(exit_code=1 if state in ("failed", "lost") else 0)
