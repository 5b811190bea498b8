"""What train, eval, status, logs and stop share: the engine's command lines, starting a task, and showing its state."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from odtool import cluster, locks
from odtool.cli import console
from odtool.cluster import Cluster
from odtool.detection import metric_names
from odtool.errors import OdtoolError
from odtool.jobs import devices, foreground, launcher, record, state
from odtool.workspace import TASKS, Run, Workspace

ENGINE = (sys.executable, "-m", "odtool.engine")

_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",  # the log shows a line when it is written
    "PYTHONSAFEPATH": "1",  # a folder object_detection/ in the workspace must not be taken for the library
}
_BESIDE_TRAINING = 10
"""Added to the niceness of an evaluation beside training: it takes what training leaves of the processor."""
_MOST_RETRIES = 10
"""Times that a process is started again because another one of the same training failed."""

RunArgument = Annotated[str | None, typer.Argument(metavar="RUN", help="A run's name; the newest run by default.")]
TaskArgument = Annotated[str | None, typer.Argument(metavar="train|eval", help="One of the run's two tasks.")]
ForegroundOption = Annotated[
    bool, typer.Option("--foreground", help="Stay, show the log, and pass Ctrl-C on, once, to save and end.")
]


def _metric(name: str | None) -> str | None:
    if name is not None:
        try:
            metric_names.resolve_name(name)
        except OdtoolError as error:
            raise typer.BadParameter(f"{error.message}. {error.hint}") from None
    return name


BestOption = Annotated[
    str | None,
    typer.Option(
        metavar="METRIC",
        callback=_metric,
        help="What the best checkpoint is chosen by: mAP (default), mAP50, AR, loss, or a full name.",
    ),
]


def engine_command(task: str, run: Run, *options: object) -> list[str]:
    """The command line of a task's process."""
    return [*ENGINE, task, str(run.path), *(str(option) for option in options)]


def engine_environment() -> dict[str, str]:
    """This process's environment, with what every engine process needs."""
    return {**os.environ, **_ENVIRONMENT}


def start(
    space: Workspace,
    run: Run,
    task: str,
    options: list[object],
    choice: devices.DeviceChoice,
    *,
    recover: bool = False,
    group: Cluster | None = None,
) -> record.JobRecord:
    """Starts the engine on a task in the background.

    Args:
        recover: start it again with half the batch where it runs out of memory; of several processes, each as it is
            where another one has failed, as they cannot change the config that they share.
        group: the processes that do the task together.
    """
    return launcher.start(
        run,
        task if group is None else cluster.task_of(group),
        engine_command(task, run, *options),
        directory=space.root,
        environment={**_ENVIRONMENT, **choice.environment, **(group.environment if group else {})},
        nice=_BESIDE_TRAINING if task == "eval" and locks.is_held(run.job_lock("train")) else 0,
        recover=engine_command("recover", run, "--devices", choice.count) if recover and group is None else (),
        retries=_MOST_RETRIES if recover and group is not None else 0,
    )


def named(space: Workspace, run: str | None, task: str | None) -> tuple[Run, str | None]:
    """The run and the task meant by up to two arguments; a lone 'train' or 'eval' is the newest run's task.

    Raises:
        typer.BadParameter: the second argument is no task.
        JobError: there is no such run.
    """
    if task is None and run in TASKS and run not in [known.name for known in space.runs()]:
        run, task = None, run
    if task is not None and task not in TASKS:
        raise typer.BadParameter(f"'{task}' is not train or eval")
    return space.find_run(run), task


def account(job: state.JobState) -> dict[str, Any]:
    """A state as --json gives it."""
    return {key: value for key, value in asdict(job).items() if key != "ended"}


def show_started(
    space: Workspace, run: Run, started: dict[str, tuple[record.JobRecord, devices.DeviceChoice]], *, as_json: bool
) -> None:
    """Says what was started and how to watch it."""
    payload: dict[str, Any] = {"run": run.name, "path": str(run.path)}
    for task, (job, choice) in started.items():
        payload[task] = {"pid": job.pid, "log": str(run.log(task)), "device": choice.label, "argv": list(job.argv)}

    def render(out: Console) -> None:
        for task, (job, choice) in started.items():
            out.out(f"{task:5} of run {run.name} started on {choice.label}: pid {job.pid}", highlight=False)
            out.out(f"      log {run.log(task)}", highlight=False)
        # As it can be typed where the user stands.
        here = run.argument if space.root == Path.cwd() else f"{run.argument} -w {shlex.quote(str(space.root))}"
        out.out(f"watch odtool status {here} | odtool logs {here} -f", highlight=False)
        out.out(f"end   odtool stop {here}", highlight=False)

    console.show(payload, as_json=as_json, render=render)


def attend(run: Run, tasks: list[str], received: list[int], *, as_json: bool) -> None:
    """Shows the logs until the tasks have ended, then how they ended; exit code 1 where one failed."""
    output = sys.stderr.buffer if as_json else sys.stdout.buffer

    def write(block: bytes) -> None:
        output.write(block)
        output.flush()

    states = foreground.attend(run, tasks, received, write=write, say=console.say)
    payload: dict[str, Any] = {"run": run.name, **{task: account(job) for task, job in states.items()}}

    def render(out: Console) -> None:
        for task, job in states.items():
            out.out(f"{task} {describe(job)}", highlight=False)

    console.show(payload, as_json=as_json, render=render)
    if any(job.state in ("failed", "lost") for job in states.values()):
        raise typer.Exit(1)


def describe(job: state.JobState) -> str:
    """A state in one line: 'failed, exit code 1: ...'."""
    if job.state == "running":
        return f"running, pid {job.pid}" if job.pid else "running, just starting"
    if job.reason.startswith(job.state):
        return job.reason
    told = f"{job.state}, exit code {job.exit_code}" if job.exit_code else job.state
    return f"{told}: {job.reason}" if job.reason else told
