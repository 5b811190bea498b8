"""What a feed asks of a tracker, and which module speaks to which one."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

from odtool.errors import OdtoolError
from odtool.tracking.place import TrackerName, TrackingPlace
from odtool.tracking.points import Point
from odtool.workspace import Run


class Tracker(Protocol):
    """A run in a tracker. Each call may raise anything that its library raises: it is then made again later."""

    def set_parameters(self, parameters: Mapping[str, str]) -> None:
        """Tells parameters that are new, or have changed."""

    def log(self, points: Sequence[Point], *, doubtful: bool) -> None:
        """Tells points.

        Args:
            doubtful: some of them may have arrived before.
        """

    def upload(self, path: Path, folder: str) -> None:
        """Keeps a file."""

    def close(self, state: str) -> None:
        """The run has ended for now: finished, stopped, failed or lost; or running, where only this feed ends."""


class Connect(Protocol):
    """Makes the run in the tracker, or finds it again."""

    def __call__(self, run: Run, place: TrackingPlace) -> tuple[Tracker, str]:
        """Gives it, and the tracker's own name of it."""


LIBRARIES: dict[TrackerName, str] = {"mlflow": "mlflow", "wandb": "wandb"}
"""The module that a tracker's library is imported as, which is the name of odtool's extra as well."""
_MODULES: dict[TrackerName, str] = {
    "mlflow": "odtool.tracking.mlflow_tracker",
    "wandb": "odtool.tracking.wandb_tracker",
}


def refuse_missing(name: TrackerName) -> None:
    """Raises OdtoolError where the tracker's library is not installed."""
    if importlib.util.find_spec(LIBRARIES[name]) is None:
        raise OdtoolError(f"{LIBRARIES[name]} is not installed", f"Install it: pip install 'odtool[{name}]'")


def find(name: TrackerName) -> Connect:
    """How a tracker is connected to."""
    refuse_missing(name)
    return cast(Connect, importlib.import_module(_MODULES[name]).connect)
