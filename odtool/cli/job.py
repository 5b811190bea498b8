"""What commands that are still to move share."""

from __future__ import annotations

import os

from odtool.api.tasks import engine_process
from odtool.jobs import state
from odtool.workspace import Run


def engine_command(task: str, run: Run, *options: object) -> list[str]:
    """The command line of a task's process."""
    return [*engine_process.ENGINE, task, str(run.path), *(str(option) for option in options)]


def engine_environment() -> dict[str, str]:
    """This process's environment, with what every engine process needs."""
    return {**os.environ, **engine_process.ENVIRONMENT}


def describe(job: state.JobState) -> str:
    return job.describe()
