"""The two tasks of a run, training and evaluation: starting them in the background, and standing by until they end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from odtool import cluster, locks
from odtool.api.requests import Chosen
from odtool.api.tasks import device_claim, engine_process, tracking_feed
from odtool.api.tasks.engine_tasks import EvaluateTask, RecoverTask, TrainTask
from odtool.cluster import Cluster
from odtool.errors import JobError
from odtool.jobs import foreground, launcher, record, state
from odtool.jobs.devices import DeviceChoice
from odtool.jobs.notify import end_of_job
from odtool.jobs.record import JobRecord
from odtool.jobs.state import JobState
from odtool.workspace import Run

_NICE_BESIDE_TRAINING = 10
"""Added to the niceness of an evaluation beside training: it takes what training leaves of the processor."""
_MOST_RETRIES = 10
"""Times that a process is started again because another one of the same training failed."""
_POLL = 0.2
_MOST_FOR_TRACKER = 120.0
"""Seconds."""


@dataclass(frozen=True)
class StartedTask:
    """One process in the background."""

    job: JobRecord
    device: str
    """For people: 'cpu', 'GPU 0 (NVIDIA H100)'."""


@dataclass(frozen=True)
class StartedRun:
    """What was started of a run. It goes on when this process ends."""

    run: Run
    tasks: Mapping[str, StartedTask]
    """By name: train, eval, train-worker1 and so on of processes that train together, eval-part2-of-16 of parts."""
    note: str = ""
    """What its user should know of it, as that nothing is left to train."""

    def wait(self, *, sleep: Callable[[float], None] = time.sleep) -> dict[str, JobState]:
        """Returns when all tasks have ended; an interruption leaves them running.

        Raises:
            JobError: one failed.
        """
        while any(state.read(self.run, task).state == "running" for task in self.tasks):
            sleep(_POLL)
        states = {task: state.read(self.run, task) for task in self.tasks}
        for task, ended in states.items():
            if ended.is_failure:
                raise JobError(f"{task} {ended.describe()}", f"The whole log is in {self.run.log(task)}")
        return states


@dataclass(frozen=True)
class EndedRun:
    """How the tasks of a run ended."""

    run: Run
    states: Mapping[str, JobState] = field(default_factory=dict)
    interrupted: bool = False
    """Whether SIGINT, which is Ctrl-C's, came while they were attended."""

    @property
    def is_failure(self) -> bool:
        """Whether one ended by no wish of anybody."""
        return any(ended.is_failure for ended in self.states.values())

    @property
    def is_stopped(self) -> bool:
        """Whether one was ended before it was done: by a signal, `odtool stop` or a time limit."""
        return any(ended.state == "stopped" for ended in self.states.values())


def claim_device(run: Run, task: str, gpu: str | int | None, memory: str | None) -> DeviceChoice:
    """`device_claim.claim_device` for a task of a run, which keeps to the memory of its last start.

    A card that the task itself fills is not refused for that: that it is running is what `start` then says.
    """
    earlier = record.load(run, task)
    return device_claim.claim_device(
        gpu, memory, earlier=earlier.environment if earlier else None, is_running=locks.is_held(run.job_lock(task))
    )


def start(
    chosen: Chosen,
    task: TrainTask | EvaluateTask,
    choice: DeviceChoice,
    *,
    recover: bool = False,
    group: Cluster | None = None,
    notify: str | None = None,
) -> StartedTask:
    """Starts the engine on a task in the background.

    Args:
        recover: start it again with half the batch where it runs out of memory; of several processes, each as it is
            where another one has failed, as they cannot change the config that they share.
        group: the processes that do the task together.
        notify: a URL or a command that is told of its end; of several processes, the chief's.
    """
    run, beside_training = chosen.run, locks.is_held(chosen.run.job_lock("train"))
    smaller = RecoverTask(run=run, devices=choice.count)
    job = launcher.start(
        run,
        task.job if isinstance(task, EvaluateTask) else cluster.task_of(group),
        engine_process.command(task),
        directory=chosen.space.root,
        environment={**engine_process.ENVIRONMENT, **choice.environment, **(group.environment if group else {})},
        nice=_NICE_BESIDE_TRAINING if isinstance(task, EvaluateTask) and beside_training else 0,
        recover=engine_process.command(smaller) if recover and group is None else (),
        retries=_MOST_RETRIES if recover and group is not None else 0,
        notify=notify if group is None or group.is_chief else None,
    )
    return StartedTask(job, choice.label)


def _wait_for_others(started: StartedRun) -> None:
    """Until who is told of the end has been, a tracker too; each gives up by itself, and the limit is only against a
    fault of ours. With the end of this command a scheduler or a container ends everything else."""
    end_of_job.wait(started.run, list(started.tasks))
    end = time.monotonic() + _MOST_FOR_TRACKER
    while tracking_feed.is_followed(started.run) and time.monotonic() < end:
        time.sleep(_POLL)


def attend(
    begin: Callable[[], StartedRun], *, write: Callable[[bytes], None], notify: Callable[[str], None]
) -> EndedRun:
    """Starts tasks and shows their logs until they have ended; SIGINT, SIGTERM and SIGHUP are passed on to them.

    Args:
        begin: starts them, once signals are caught.
        write: called with what is added to their logs.
    """
    with foreground.catching_signals() as received:
        started = begin()
        for task, one in started.tasks.items():
            notify(f"{task} of run {started.run.name} on {one.device}: loading TensorFlow; log {started.run.log(task)}")
        states = foreground.attend(started.run, list(started.tasks), received, write=write, say=notify)
        _wait_for_others(started)
    return EndedRun(started.run, states, interrupted=signal.SIGINT in received)
