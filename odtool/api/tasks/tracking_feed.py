"""Which experiment tracker a run is told to, kept with the run, and the process that tells it."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from odtool import locks
from odtool.api.requests import Chosen, RequestError
from odtool.errors import JobError, OdtoolError
from odtool.jobs import launcher
from odtool.tracking import place, tracker
from odtool.tracking.place import TRACKERS, TrackerName, TrackingPlace
from odtool.workspace import Run

TASK = "track"
NONE = "none"
"""Ends the tracking of a run."""
ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}
_URI = "MLFLOW_TRACKING_URI"
_HUMBLE = 10


def refuse_unknown(field: str, name: str | None) -> None:
    """Raises RequestError where a name is given that is no tracker's."""
    if name is not None and name not in (*TRACKERS, NONE):
        raise RequestError(field, f"'{name}' is not one of {', '.join((*TRACKERS, NONE))}")


def choose(
    chosen: Chosen, name: str | None, artifacts: bool | None, environment: Mapping[str, str] = os.environ
) -> TrackingPlace | None:
    """What the run is told to from now on: what is asked for, else as before. None where it is nothing.

    Args:
        artifacts: whether files are sent; as before where None.

    Raises:
        OdtoolError: the tracker's library is not installed, or its address cannot be used.
    """
    run = chosen.run
    if name == NONE:
        run.tracking.unlink(missing_ok=True)
        return None
    known = place.load(run)
    if name is not None:
        wanted = _begin(chosen, next(one for one in TRACKERS if one == name), environment)
        tracker.refuse_missing(wanted.tracker)
        is_other = known is None or known.tracker != wanted.tracker
        # Another address than before was given: it is told of everything.
        moved = known is not None and known.where != wanted.where and bool(environment.get(_URI))
        known = wanted if is_other or moved else known
    if known is None:
        return None
    if artifacts is not None:
        known = replace(known, artifacts=artifacts)
    place.save(run, known)
    return known


def _begin(chosen: Chosen, name: TrackerName, environment: Mapping[str, str]) -> TrackingPlace:
    root = chosen.space.root
    if name == "wandb":
        return TrackingPlace(name, "", environment.get("WANDB_PROJECT") or root.name or "odtool")
    where = _find_mlflow(root, environment.get(_URI, ""))
    return TrackingPlace(name, where, environment.get("MLFLOW_EXPERIMENT_NAME") or root.name or "odtool")


def _find_mlflow(root: Path, named: str) -> str:
    """The address that MLFLOW_TRACKING_URI names, from anywhere; else a database in the workspace."""
    if not named:
        if importlib.util.find_spec("sqlalchemy") is None:
            raise OdtoolError(
                "no MLflow server is named, and mlflow-skinny alone has no database",
                f"Set {_URI}=http://host:5000, or install mlflow for a database in the workspace: pip install mlflow",
            )
        return f"sqlite:///{root / 'mlflow.db'}"
    if urlsplit(named).password:
        raise OdtoolError(
            f"{_URI} holds a password, which would be kept with the run",
            "Give it by MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.",
        )
    for scheme in ("sqlite:///", "file:"):
        if named.startswith(scheme) and not named.removeprefix(scheme).startswith("/"):
            return f"{scheme}{Path.cwd() / named.removeprefix(scheme)}"
    return str(Path.cwd() / named) if named.startswith(".") else named


def command(run: Run, mode: str) -> list[str]:
    """The command line of the process, which follows the run's jobs, or tells once what is there."""
    return [sys.executable, "-m", "odtool.tracking", str(run.path), mode]


def start(chosen: Chosen) -> None:
    """Starts following the run's jobs in the background; one that still does so goes on.

    Its failures are in the run's track.log and concern nobody else.
    """
    with suppress(JobError, OSError):
        launcher.start(
            chosen.run,
            TASK,
            command(chosen.run, "follow"),
            directory=chosen.space.root,
            environment=ENVIRONMENT,
            nice=_HUMBLE,
        )


def is_followed(run: Run) -> bool:
    """Whether a process is telling of the run."""
    return locks.is_held(run.job_lock(TASK))
