"""odtool status: what a run's training and evaluation are doing, read from the disk."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from odtool.api.run import status as api
from odtool.api.run.status import EvaluationStatus, JobState, RunStatus, TaskGpuUse, TrainStatus
from odtool.cli import console
from odtool.cli.common_options import DebugOption, JsonOption, WorkspaceOption
from odtool.cli.run import run_options, watch_screen
from odtool.errors import OdtoolError
from odtool.units import format_duration, format_metric
from odtool.workspace import Run, Workspace


def status(
    run: run_options.RunArgument = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep all runs, or the one named, on the screen until Ctrl-C.")
    ] = False,
    interval: Annotated[float, typer.Option(min=0.1, max=3600, help="With --watch: seconds between updates.")] = 2.0,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show the state of a run's training and evaluation, from any terminal.

    Example: `odtool status my_run --json`
    """
    if watch:
        _watch(Workspace(workspace), run, interval, as_json=as_json)
        return
    shown = api.status(run, workspace=workspace)
    others = [] if run else _list_others(Workspace(workspace), shown.run)
    console.show(shown.as_json(), as_json=as_json, render=lambda out: _render(out, shown, others))


def _watch(space: Workspace, run: str | None, interval: float, *, as_json: bool) -> None:
    if as_json:
        raise typer.BadParameter("--watch shows what changes; --json gives one object: use one of them")
    if run is not None:
        named = space.find_run(run)
        watch_screen.watch(lambda: [named], str(named.path), interval=interval)
    else:
        space.find_run(None)  # says so where there is none
        # Runs made meanwhile appear, the newest first.
        watch_screen.watch(lambda: space.runs()[::-1], str(space.root), interval=interval)


def _render(out: Console, shown: RunStatus, others: list[str]) -> None:
    out.out(f"run   {shown.run.name}   {shown.run.path}", highlight=False)
    gpus = {task: [f"      {_describe_gpu(gpu)}" for gpu in uses] for task, uses in shown.gpus.items()}
    for line in [
        *_train_lines(shown.train),
        *gpus.get("train", ()),
        *_eval_lines(shown.eval),
        *gpus.get("eval", ()),
    ]:
        out.out(line, highlight=False)
    if others:
        out.out(f"other runs: {', '.join(others)}", highlight=False)


def _describe_gpu(gpu: TaskGpuUse) -> str:
    parts = [f"GPU {gpu.number} ({gpu.name})"]
    parts += [f"busy {gpu.percent}% of the time"] if gpu.percent is not None else []
    parts += [f"holds {gpu.own / 1024:.1f} GiB"] if gpu.own is not None else []
    if gpu.used is not None and gpu.total is not None:
        parts.append(f"{gpu.used / 1024:.1f} of {gpu.total / 1024:.1f} GiB in use by all")
    return ", ".join(parts)


def _train_lines(train: TrainStatus) -> list[str]:
    lines = [f"train {_describe(train.job)}"]
    if train.stalled_seconds is not None:
        lines.append(f"      stalled: no step for {format_duration(train.stalled_seconds)}; see odtool logs")
    for smaller in train.recoveries[-1:]:
        count = len(train.recoveries)
        again = f"made smaller {count} times, last" if count > 1 else "made smaller"
        size = smaller["batch_size"]
        lines.append(f"      {again} at step {smaller['step']:,} to batch size {size}: {smaller['reason']}")
    if train.progress.step is not None:
        lines.append(f"      {_describe_progress(train)}")
        return [*lines, f"      {train.advice}"] if train.advice else lines
    return [*lines, "      loading TensorFlow and building the model"] if train.job.state == "running" else lines


def _describe_progress(train: TrainStatus) -> str:
    progress = train.progress
    parts = [f"step {progress.step:,}" + (f" of {progress.num_steps:,}" if progress.num_steps else "")]
    parts += [f"loss {progress.loss:.4g}"] if progress.loss is not None else []
    parts += [f"learning rate {progress.learning_rate:.3g}"] if progress.learning_rate is not None else []
    parts += [f"{progress.steps_per_second:.3g} steps/s"] if progress.steps_per_second is not None else []
    parts += [f"{format_duration(train.eta_seconds)} left"] if train.eta_seconds is not None else []
    parts += [f"{progress.restarts} restart" + "s" * (progress.restarts > 1)] if progress.restarts else []
    return ", ".join(parts)


def _eval_lines(scored: EvaluationStatus) -> list[str]:
    lines = [f"eval  {_describe(scored.job)}"]
    if scored.newest:
        lines.append(f"      step {scored.newest.step:,}: {_describe_figures(scored.newest.values)}")
    if best := scored.best:
        figure = [watch_screen.describe_figure(best)] if isinstance(best.values.get("value"), (int, float)) else []
        parts = [f"step {best.step:,}", *figure, str(best.values.get("checkpoint"))]
        lines.append("      best: " + ", ".join(parts))
    return lines


def _describe_figures(values: dict[str, Any]) -> str:
    figures = [f"{label} {format_metric(values[name])}" for name, label in api.MAIN_METRICS.items() if name in values]
    sample = values.get("sample_1_of_n") or 1
    return ", ".join(figures) + (f", on 1 of {sample} images" if sample > 1 else "")


def _describe(job: JobState) -> str:
    since = ""
    if job.state == "running" and job.started:
        since = f", since {format_duration(max(0, time.time() - job.started))}"  # the clock may have been set back
    return job.describe() + since


def _list_others(space: Workspace, shown: Run) -> list[str]:
    """The other runs, newest first, with what goes on in them."""
    lines = []
    for run in reversed([run for run in space.runs() if run.path != shown.path]):
        try:
            running = api.find_running_tasks(run)
        except (OSError, OdtoolError) as error:
            lines.append(f"{run.name} (cannot be read: {error})")
            continue
        lines.append(f"{run.name} ({' and '.join(running)} running)" if running else run.name)
    return lines
