"""How far a tracker has been told of a run: a small file in the run's folder, so that nothing is told twice."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from odtool import files, state_files
from odtool.errors import JobError
from odtool.state_files import Count, StateError
from odtool.workspace import Run

TrackerName = Literal["mlflow", "wandb"]
TRACKERS: tuple[TrackerName, ...] = ("mlflow", "wandb")
_LARGEST = 1 << 22
_WORKSPACE = "{workspace}"
"""Stands in the file for the folder that the workspace is in."""


@dataclass(frozen=True)
class TrackingPlace:
    """jobs/tracking.json."""

    tracker: TrackerName
    where: str
    """The tracker's address, as it was when the run was first told of; '' for Weights & Biases, which knows it."""
    project: str
    """Experiment or project."""
    artifacts: bool = False
    """Checkpoints, config and report are sent, too."""
    remote: str | None = None
    """The tracker's own name of the run; None until there is one."""
    begin: str = ""
    """Of the file of metrics, what tells it from another one."""
    offset: Count = 0
    """Bytes of metrics.jsonl that have been told."""
    sending: Count = 0
    """Bytes that were being told; where it is beyond `offset`, some of them may have arrived."""
    parameters: dict[str, str] = field(default_factory=dict)
    """As they were told."""
    files: dict[str, Count] = field(default_factory=dict)
    """Artifacts that have arrived, and when they were last changed (Unix time in nanoseconds)."""


def load(run: Run) -> TrackingPlace | None:
    """What is known; None where the run is not tracked.

    Raises:
        JobError: the file is damaged.
    """
    try:
        kept = state_files.read(run.tracking, TrackingPlace, largest=_LARGEST)
        return replace(kept, where=kept.where.replace(_WORKSPACE, _find_root(run), 1))
    except FileNotFoundError:
        return None
    except StateError as error:
        raise JobError(
            f"{run.tracking}: {error}", "Move it away: the run is then told of from its beginning, as another one."
        ) from None


def save(run: Run, place: TrackingPlace) -> None:
    """Writes it, whole or not at all."""
    run.tracking.parent.mkdir(parents=True, exist_ok=True)
    kept = replace(place, where=_name_workspace(place.where, _find_root(run)))
    files.write_atomically(run.tracking, json.dumps(asdict(kept), indent=1) + "\n")


def _find_root(run: Run) -> str:
    """The workspace's folder, as its runs are in train/."""
    return str(run.path.absolute().parents[1])


def _name_workspace(where: str, root: str) -> str:
    """An address of a database or folder that lies in the workspace, so that it goes with a workspace that is moved."""
    scheme = next((scheme for scheme in ("sqlite:///", "file://", "file:") if where.startswith(scheme)), "")
    path = where.removeprefix(scheme)
    return f"{scheme}{_WORKSPACE}{path.removeprefix(root)}" if path.startswith(f"{root}{os.sep}") else where
