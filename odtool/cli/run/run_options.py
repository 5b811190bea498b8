"""The options and arguments of commands on a run, and which run and task are meant by up to two names."""

from __future__ import annotations

from typing import Annotated

import typer

from odtool.cli import completion
from odtool.workspace import TASKS, Workspace

RunArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN", help="A run's name; the newest run by default.", autocompletion=completion.complete_runs
    ),
]
TaskArgument = Annotated[str | None, typer.Argument(metavar="train|eval", help="One of the run's two tasks.")]
ForegroundOption = Annotated[
    bool, typer.Option("--foreground", help="Stay, show the log, and pass Ctrl-C on, once, to save and end.")
]
NotifyOption = Annotated[
    str | None,
    typer.Option(
        "--notify",
        metavar="URL|COMMAND",
        help="Told when the task has ended: a JSON post, or a command that gets the same on stdin.",
    ),
]
BestOption = Annotated[
    str | None,
    typer.Option(
        metavar="METRIC",
        help="What the best checkpoint is chosen by: mAP (default), mAP50, AR, loss, or a full name.",
    ),
]


def resolve_names(space: Workspace, run: str | None, task: str | None) -> tuple[str | None, str | None]:
    """The run and the task meant by up to two arguments; a lone 'train' or 'eval' is the newest run's task."""
    if task is None and run in TASKS and run not in [known.name for known in space.runs()]:
        return None, run
    return run, task
