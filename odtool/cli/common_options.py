"""Options that several commands have: their spelling, help and what they take."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from odtool.api.requests import find_workspace


def _set_debug(value: bool) -> bool:
    if value:
        os.environ["ODTOOL_DEBUG"] = "1"
    return value


def _as_workspace(value: Path) -> Path:
    return find_workspace(value).root


WorkspaceOption = Annotated[
    Path,
    typer.Option("--workspace", "-w", help="Folder with data/, model_zoo/ and train/.", callback=_as_workspace),
]
GpuMemoryOption = Annotated[
    str | None,
    typer.Option(
        metavar="grow|SIZE|all", help="Of the GPU: as needed, at most 8GB or 40%, or all of it, as TensorFlow takes it."
    ),
]
PartOption = Annotated[
    str | None,
    typer.Option(
        metavar="K/N|auto|none",
        help="Do part K of N only, on several machines; auto, as Slurm or Kubernetes says (auto/N where it tells no "
        "number). By default everything, but in a Slurm step of several tasks the task's part.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, messages on stderr.")]
DebugOption = Annotated[
    bool,
    typer.Option("--debug", help="Show the traceback of an error.", is_eager=True, callback=_set_debug),
]
