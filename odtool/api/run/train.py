"""Starting a run's training, and evaluation beside it, in the background."""

from __future__ import annotations

import os
import re
import shlex
import time
from dataclasses import KW_ONLY, dataclass, field

from odtool import cluster, locks, metrics, parts
from odtool.api.requests import (
    Notify,
    RequestError,
    RunName,
    StrPath,
    find_run,
    ignore,
    refuse_below,
    refuse_unknown_metric,
    refuse_unusable_target,
    takes,
)
from odtool.api.tasks import run_tasks, tracking_feed
from odtool.api.tasks.engine_tasks import STEP_PRECISIONS, EvaluateTask, TrainTask
from odtool.api.tasks.run_tasks import StartedRun
from odtool.cluster import Cluster
from odtool.errors import JobError
from odtool.jobs import devices
from odtool.jobs.devices import DeviceChoice
from odtool.workspace import Run


@dataclass(frozen=True)
class TrainRequest:
    """What `odtool train` is asked for."""

    run: RunName | None = None
    """The newest by default."""
    _: KW_ONLY
    gpu: str | int | None = None
    """GPU numbers as in "0" or "0,1", or "cpu". The first GPU by default, else the CPU."""
    gpu_memory: str | None = None
    """Of each GPU: "grow" as needed, at most a size such as "8GB" or "40%", or "all". By default as at the run's last
    start, and all at the first."""
    evaluate: bool = False
    """Score each checkpoint as it appears, on the CPU."""
    checkpoint_every: int | None = None
    """Steps between checkpoints; by default a tenth of all steps, but at least 100 and at most 1000."""
    keep_checkpoints: int = 5
    """How many of the newest checkpoints to keep."""
    cache: bool = False
    """Keep the encoded records in memory once read, in half of what is free."""
    cache_memory: str | None = None
    """The same, in this much memory, as in "8GB", "500MB" or "25%"."""
    best: str | None = None
    """The metric that the best checkpoint is chosen by; mAP by default."""
    early_stop: int | None = None
    """End after so many evaluations without improvement."""
    time_limit: str | float | None = None
    """Save and stop after this time: seconds, or a text as in "2h", "1h30m" or "90s"."""
    precision: str | None = None
    """Of the networks' arithmetic: "float32" or "bfloat16"; as the run was trained before, else float32."""
    recover: bool = True
    """Where memory runs out, start again from the last checkpoint with half the batch, at most three times."""
    foreground: bool = False
    """The caller stays until the tasks have ended, by `StartedRun.wait` or `attend`. Slurm needs that."""
    notify_target: str | None = None
    """A URL that gets a JSON post, or a command that gets it on stdin, when a task has ended, however it ended."""
    track: str | None = None
    """Tell an experiment tracker of the run: "mlflow", "wandb", or "none" to do so no longer; as before by default."""
    track_artifacts: bool | None = None
    """Send it config, report and checkpoints, too; as before by default, and not at first."""
    workspace: StrPath = "."
    notify: Notify = field(default=ignore, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("best", "early_stop"):
            if getattr(self, name) is not None and not self.evaluate:
                raise RequestError(name, "needs evaluation beside training: --eval")
        for name in ("checkpoint_every", "keep_checkpoints", "early_stop"):
            refuse_below(name, getattr(self, name), 1)
        refuse_unknown_metric("best", self.best)
        refuse_unusable_target("notify_target", self.notify_target)
        tracking_feed.refuse_unknown("track", self.track)
        if self.precision is not None and self.precision not in STEP_PRECISIONS:
            raise RequestError("precision", f"'{self.precision}' is not {' or '.join(STEP_PRECISIONS)}")
        if self.time_limit is not None:
            parse_duration(self.time_limit)


@takes(TrainRequest)
def train(request: TrainRequest) -> StartedRun:
    """Starts training from the newest checkpoint; it outlives this process. `wait()` of the result waits for its end.

    Raises:
        OdtoolError: there is no such run or GPU, it would fail for a reason that can be known, or it is running.
    """
    chosen = find_run(request.workspace, request.run)
    run = chosen.run
    choice = run_tasks.claim_device(run, "train", request.gpu, request.gpu_memory)
    group = cluster.find(os.environ)
    if group is None and (idle := parts.describe_idle_tasks(os.environ)):
        request.notify(idle)
    if group is not None and group.source == "Slurm" and not request.foreground:
        raise JobError("Slurm ends a task when its command returns", "Add --foreground.")
    num_steps = _check(run, choice, group)
    task = _task(request, run, num_steps)
    is_chief = group is None or group.is_chief
    scores = request.evaluate and is_chief
    if scores and locks.is_held(run.job_lock("eval")) and not locks.is_held(run.job_lock("train")):
        raise JobError(
            f"eval of run '{run.name}' is already running, so that --eval cannot start another; nothing was started",
            f"Train without --eval: an evaluation of all checkpoints follows. Or: odtool stop {run.argument}",
        )
    tracked = tracking_feed.choose(chosen, request.track, request.track_artifacts) if is_chief else None
    training = run_tasks.start(chosen, task, choice, recover=request.recover, group=group, notify=request.notify_target)
    started = {cluster.task_of(group): training}
    if scores:
        # After training, whose lock tells evaluation that more checkpoints are to come. Beside the chief of several.
        evaluation = EvaluateTask(run=run, best=request.best)
        started["eval"] = run_tasks.start(chosen, evaluation, devices.CPU, notify=request.notify_target)
    if tracked is not None:
        tracking_feed.start(chosen)
    return StartedRun(run, started, _describe_nothing_left(run, num_steps))


def _describe_nothing_left(run: Run, num_steps: int) -> str:
    """That the run has its steps, and how to train for longer; whether its checkpoint is whole, the task looks."""
    step = max(run.checkpoints(), default=0)
    if not num_steps or step < num_steps:
        return ""
    folder = shlex.quote(str(run.path))
    return (
        f"ckpt-{step} has all of the {num_steps:,} steps already. To train for longer, from there: "
        f"odtool configure --pipeline {folder} --checkpoint {folder} --steps N"
    )


def _task(request: TrainRequest, run: Run, num_steps: int) -> TrainTask:
    seconds = None if request.time_limit is None else parse_duration(request.time_limit)
    return TrainTask(
        run=run,
        checkpoint_every=request.checkpoint_every or default_checkpoint_every(num_steps),
        keep_checkpoints=request.keep_checkpoints,
        cache_memory=_bytes(request.cache_memory) if request.cache_memory else "auto" if request.cache else None,
        early_stop=request.early_stop,
        deadline=None if seconds is None else time.time() + seconds,
        precision=request.precision or find_precision(run),
    )


def find_precision(run: Run) -> str:
    """What the run was trained in when it was last started, which training keeps to."""
    start = metrics.find_newest(run.metrics, "start")
    precision = start.values.get("precision") if start is not None else None
    return precision if precision in STEP_PRECISIONS else "float32"


def parse_duration(time_limit: str | float) -> float:
    """Seconds in a time as people write it: 2h, 1h30m, 90s, 1.5d; a number is seconds.

    Raises:
        RequestError: it is not such a time.
    """
    text = time_limit.lower() if isinstance(time_limit, str) else f"{time_limit}s"
    parts = re.findall(r"(\d+(?:\.\d+)?)([dhms])", text)
    seconds = sum(float(number) * {"d": 86400, "h": 3600, "m": 60, "s": 1}[unit] for number, unit in parts)
    if "".join(f"{number}{unit}" for number, unit in parts) != text or not seconds:
        raise RequestError("time_limit", f"'{time_limit}' is not a time", "Write it as in 2h, 1h30m or 90s.")
    return seconds


def _bytes(size: str) -> int:
    from odtool.pipeline.configure import batch_size_search

    return batch_size_search.parse(size, batch_size_search.find_host_memory(), "--cache-memory")


def default_checkpoint_every(num_steps: int) -> int:
    """Ten checkpoints, but never closer than 100 steps nor farther apart than 1000, and one in the shortest run."""
    return min(max(num_steps // 10, 100), 1000, max(num_steps, 1))


def _check(run: Run, choice: DeviceChoice, group: Cluster | None) -> int:
    """Refuses a run that training would fail on after minutes; gives its number of steps."""
    from odtool.pipeline.checks import check_list

    devices = choice.count * (len(group.addresses) if group else 1)
    return check_list.check_run(run.pipeline_config, devices=devices).num_steps
