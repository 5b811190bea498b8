"""Starting the evaluation of a run's checkpoints in the background."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field

from odtool import checkpoint_choice
from odtool.api.requests import (
    CheckpointName,
    Notify,
    RequestError,
    RunName,
    StrPath,
    choose_part,
    find_run,
    ignore,
    refuse_below,
    refuse_beside,
    refuse_unknown_metric,
    refuse_unusable_target,
    takes,
)
from odtool.api.tasks import run_tasks
from odtool.api.tasks.engine_tasks import EvaluateTask
from odtool.api.tasks.run_tasks import StartedRun


@dataclass(frozen=True)
class EvaluateRequest:
    """What `odtool eval` is asked for."""

    run: RunName | None = None
    """The newest by default."""
    _: KW_ONLY
    gpu: str | int | None = "cpu"
    """"cpu", or the number of a GPU that has room."""
    gpu_memory: str | None = None
    """Of the GPU: "grow" as needed, at most a size such as "8GB" or "40%", or "all". By default as at the run's last
    evaluation, and all at the first."""
    checkpoint: CheckpointName = "all"
    """"all" (each one, and those to come while training runs), "latest", "best", or a checkpoint's path."""
    sample: int = 1
    """Use 1 of this many images."""
    best: str | None = None
    """The metric that the best checkpoint is chosen by; mAP by default."""
    latest: bool = False
    """If several checkpoints are waiting, score only the newest."""
    batch_size: int | None = None
    """Images that the model gets at once, at most; by default 8 where it can tell them apart."""
    part: str | None = None
    """Write the results of one of several parts of the evaluation set, as "2/16", for `join`; see `predict`. By default
    the part of the task in a Slurm step of several, else everything is scored."""
    join: bool = False
    """Score a checkpoint from the parts of its results, as one machine would have."""
    notify_target: str | None = None
    """A URL that gets a JSON post, or a command that gets it on stdin, when a task has ended, however it ended."""
    workspace: StrPath = "."
    notify: Notify = field(default=ignore, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.join:
            refuse_beside(self, "join", ("run", "checkpoint", "best", "join", "notify_target", "workspace", "notify"))
        if self.latest and self.checkpoint != "all":
            raise RequestError("latest", "is for --checkpoint all; a single one is named by --checkpoint")
        refuse_below("sample", self.sample, 1)
        refuse_below("batch_size", self.batch_size, 1)
        refuse_unknown_metric("best", self.best)
        refuse_unusable_target("notify_target", self.notify_target)


@takes(EvaluateRequest)
def evaluate(request: EvaluateRequest) -> StartedRun:
    """Starts scoring checkpoints with the COCO metrics, until training has ended and the last is scored.

    Raises:
        OdtoolError: there is no such run, checkpoint or GPU, or an evaluation of the run is running.
    """
    chosen = find_run(request.workspace, request.run)
    part = None if request.join else choose_part(request.part, request.notify)
    if part is not None:
        _refuse_for_parts(request)
        request.notify(f"part {part} of the evaluation set")
    task = EvaluateTask(
        run=chosen.run,
        checkpoint=request.checkpoint
        if request.join and request.checkpoint == "all"
        else checkpoint_choice.resolve(chosen.run, request.checkpoint),
        sample=request.sample,
        best=request.best,
        latest=request.latest,
        batch_size=request.batch_size,
        part=str(part) if part else None,
        join=request.join,
    )
    choice = run_tasks.claim_device(chosen.run, task.job, request.gpu, request.gpu_memory)
    return StartedRun(chosen.run, {task.job: run_tasks.start(chosen, task, choice, notify=request.notify_target)})


def _refuse_for_parts(request: EvaluateRequest) -> None:
    """What parts are made of has to be the same for all of them, whenever each begins."""
    if request.checkpoint == "all":
        raise RequestError(
            "checkpoint",
            "all cannot be evaluated by parts",
            "Name one: latest, best, or its path; or give --part none.",
        )
    if request.best is not None:
        raise RequestError("best", "is decided when the parts are joined", "Give it to odtool eval --join.")
