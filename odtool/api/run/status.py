"""What a run's training and evaluation are doing, read from the disk."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field, replace
from itertools import islice
from typing import Any

from odtool import metrics
from odtool.api.requests import RunName, StrPath, find_run, takes
from odtool.api.run import gpu_use
from odtool.api.run.gpu_use import TaskGpuUse
from odtool.detection.metric_names import MAIN_METRICS, MAP
from odtool.jobs import log, record, stall, state, training_progress, usage
from odtool.jobs.state import JobState
from odtool.jobs.training_progress import TrainingProgress
from odtool.jobs.usage import GpuUse, MachineUse
from odtool.metrics import Metric
from odtool.workspace import TASKS, Run

__all__ = [
    "MAIN_METRICS",
    "MAP",
    "EvaluationStatus",
    "GpuUse",
    "JobState",
    "MachineUse",
    "Metric",
    "RunHistory",
    "RunStatus",
    "StatusRequest",
    "TaskGpuUse",
    "TrainStatus",
    "find_running_tasks",
    "measure_machine",
    "read_history",
    "read_status",
    "status",
]

_REMEDIES = (
    "keep records in memory (odtool train --cache)",
    "give it more processor cores",
    "store smaller images (odtool prepare --max-side): large ones take long to decode",
)
_MOST_LINES = 4000
"""Newest lines of metrics.jsonl that a course of losses is made of."""


@dataclass(frozen=True)
class TrainStatus:
    """Of a run's training."""

    job: JobState
    progress: TrainingProgress
    stalled_seconds: float | None
    """Since the last sign of progress, where that is far longer than usual."""
    recoveries: tuple[dict[str, Any], ...]
    """Each time it was made smaller after it ran out of memory: step, batch size and reason."""

    @property
    def eta_seconds(self) -> float | None:
        """Seconds of work left, while it is running."""
        return self.progress.eta_seconds if self.job.state == "running" else None

    @property
    def advice(self) -> str:
        """What would make training faster, where it waits for input and not for the device; else empty."""
        share = self.progress.input_wait
        if share is None or share < metrics.MUCH_WAITING:
            return ""
        remedies = _REMEDIES[1:] if self.progress.cache else _REMEDIES
        return f"{share:.0%} of the time is spent waiting for input, not for the device; {', or '.join(remedies)}"


@dataclass(frozen=True)
class EvaluationStatus:
    """Of a run's evaluation."""

    job: JobState
    newest: Metric | None
    """The figures of the newest evaluation."""
    best: Metric | None
    """The figure of the best checkpoint so far, and where it is kept."""


@dataclass(frozen=True)
class RunStatus:
    """Of a run."""

    run: Run
    train: TrainStatus
    eval: EvaluationStatus
    gpus: Mapping[str, Sequence[TaskGpuUse]] = field(default_factory=dict)
    """By running task, those it runs on; asked of the driver by `status` alone."""

    @property
    def is_running(self) -> bool:
        return "running" in (self.train.job.state, self.eval.job.state)

    def as_json(self) -> dict[str, Any]:
        """As `odtool status --json` gives it."""
        train, scored = self.train, self.eval
        return {
            "run": self.run.name,
            "train": {
                **train.job.as_json(),
                **asdict(train.progress),
                "eta_seconds": train.eta_seconds,
                "advice": train.advice,
                "stalled_seconds": train.stalled_seconds,
                "recoveries": list(train.recoveries),
                "gpus": self._gpus_as_json("train"),
            },
            "eval": {
                **scored.job.as_json(),
                "metrics": _flat(scored.newest),
                "best": _flat(scored.best),
                "gpus": self._gpus_as_json("eval"),
            },
        }

    def _gpus_as_json(self, task: str) -> list[dict[str, Any]]:
        return [asdict(gpu) for gpu in self.gpus.get(task, ())]


@dataclass(frozen=True)
class RunHistory:
    """What a screen shows of a run beside its status."""

    losses: tuple[float, ...] = ()
    """Of the present course, oldest first."""
    maps: tuple[tuple[int, float], ...] = ()
    """Steps and mAP@[.5:.95] of the evaluations."""
    memory: tuple[tuple[str, int], ...] = ()
    """Bytes by running task."""
    warning: str = ""
    """The last one of either log since the task was started last."""


@dataclass(frozen=True)
class StatusRequest:
    """What `odtool status` is asked for."""

    run: RunName | None = None
    """The newest by default."""
    _: KW_ONLY
    workspace: StrPath = "."


@takes(StatusRequest)
def status(request: StatusRequest) -> RunStatus:
    """What a run's training and evaluation are doing.

    Raises:
        OdtoolError: there is no such run.
    """
    run = find_run(request.workspace, request.run).run
    return replace(read_status(run), gpus=gpu_use.measure(run))


def read_status(run: Run) -> RunStatus:
    """The status of a run that is at hand."""
    job = state.read(run, "train")
    running = job.state == "running"
    training = TrainStatus(
        job=job,
        progress=training_progress.read(run.metrics, since=job.started or 0 if running else 0),
        stalled_seconds=stall.measure_stall(run.metrics, job.started or 0, time.time()) if running else None,
        recoveries=tuple({"step": line.step, **line.values} for line in _read_events(run, "recover")),
    )
    newest, best = metrics.find_newest(run.metrics, "eval"), metrics.find_newest(run.metrics, "best")
    return RunStatus(run, training, EvaluationStatus(state.read(run, "eval"), newest, best))


def find_running_tasks(run: Run) -> list[str]:
    """Names of a run's tasks that are running."""
    return [task for task in TASKS if state.read(run, task).state == "running"]


def _read_events(run: Run, kind: str) -> list[Metric]:
    return [line for line in metrics.read_events(run.metrics) if line.kind == kind]


def _flat(line: Metric | None) -> dict[str, Any] | None:
    return None if line is None else {"step": line.step, **line.values}


def read_history(status: RunStatus) -> RunHistory:
    """The course of a run, and what it takes of the machine."""
    run = status.run
    jobs = {"train": status.train.job, "eval": status.eval.job}
    memory = {
        task: used
        for task, job in jobs.items()
        if job.state == "running" and job.pid and (used := usage.measure_process_memory(job.pid))
    }
    return RunHistory(tuple(_losses(run)), tuple(_maps(run)), tuple(memory.items()), _last_warning(run))


def _losses(run: Run) -> list[float]:
    losses: list[float] = []
    limit: float = float("inf")
    for line in islice(metrics.read_backwards(run.metrics), _MOST_LINES):
        if line.kind == "train" and line.step <= limit and isinstance(line.values.get("loss"), (int, float)):
            losses.append(float(line.values["loss"]))
        elif line.kind == "start":
            limit = min(limit, line.step)
    return losses[::-1]


def _maps(run: Run) -> Iterator[tuple[int, float]]:
    scored = _read_events(run, "eval")
    # Figures of a sample do not make one course with those of all images.
    sample = min((line.values.get("sample_1_of_n") or 1 for line in scored), default=1)
    by_step = {
        line.step: float(value)
        for line in scored
        if (line.values.get("sample_1_of_n") or 1) == sample and isinstance(value := line.values.get(MAP), (int, float))
    }
    yield from sorted(by_step.items())


def _last_warning(run: Run) -> str:
    jobs = {task: job for task in TASKS if (job := record.load(run, task)) is not None}
    warnings = [log.find_last_warning(run.log(task), job.log_offset) for task, job in jobs.items()]
    return next(filter(None, warnings), "")


def measure_machine() -> tuple[MachineUse, list[GpuUse]]:
    """What is used of this machine's memory, processors and GPUs."""
    return usage.measure_machine(), list(usage.measure_gpus())
