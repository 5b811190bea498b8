"""Asking a run's processes to save and end."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from odtool.api.requests import RunName, StrPath, find_run, refuse_below, refuse_unknown, takes
from odtool.api.tasks.run_tasks import EndedRun
from odtool.jobs import shutdown
from odtool.workspace import TASKS


@dataclass(frozen=True)
class StopRequest:
    """What `odtool stop` is asked for."""

    run: RunName | None = None
    """The newest by default."""
    task: str | None = None
    """"train" or "eval"; both by default."""
    _: KW_ONLY
    timeout: float = 60.0
    """Seconds to wait for the processes to save and end."""
    kill: bool = False
    """Kill what has not ended by then; what it did since its last save is lost."""
    workspace: StrPath = "."

    def __post_init__(self) -> None:
        refuse_below("timeout", self.timeout, 0)
        if self.task is not None:
            refuse_unknown("task", (self.task,), TASKS)


@takes(StopRequest)
def stop(request: StopRequest) -> EndedRun:
    """Ends a run's training and evaluation, or one of the two, after a last checkpoint.

    Returns:
        The state of each task that was running; still "running" where it did not end in time.

    Raises:
        OdtoolError: there is no such run, or nothing of it is running.
    """
    run = find_run(request.workspace, request.run).run
    tasks = TASKS if request.task is None else (request.task,)
    return EndedRun(run, shutdown.stop(run, tasks, timeout=request.timeout, kill=request.kill))
