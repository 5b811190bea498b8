"""odtool tune: hyperparameter search, with a table of its trials as they go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from odtool.api.run import tune as api
from odtool.api.run.status import MAIN_METRICS, RunStatus
from odtool.cli import console
from odtool.cli.common_options import DebugOption, GpuMemoryOption, JsonOption, WorkspaceOption
from odtool.cli.run import run_options
from odtool.units import format_duration, format_metric

if TYPE_CHECKING:
    from odtool.api.run.tune import StudyProgress, StudyResult, StudyView, TrialView

_LINE_EVERY = 30.0
"""Seconds between lines where there is no terminal."""
_STYLES = {"complete": "green", "failed": "red", "pruned": "yellow", "running": "cyan"}


def tune(  # noqa: PLR0913, PLR0917 - a command has as many parameters as options
    run: run_options.RunArgument = None,
    trials: Annotated[
        int, typer.Option(min=1, metavar="N", help="Trials of the study in all, those of earlier calls included.")
    ] = 20,
    time_limit: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Save and stop after this time, as in 2h or 1h30m; a later call goes on."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Steps of each trial; the run's own by default.")
    ] = None,
    evaluations: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Evaluations of each trial, after which it may be pruned; 4 by default."),
    ] = None,
    space: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="TOML or YAML with the parameters, by config paths as in --set; by default those that matter for the "
            "architecture.",
        ),
    ] = None,
    pruner: Annotated[
        Literal["median", "hyperband", "none"],
        typer.Option(metavar="median|hyperband|none", help="How to end poor trials early."),
    ] = "median",
    best: run_options.BestOption = None,
    seed: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Of what is drawn at random; 0 by default.")
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option(
            "--gpu",
            help="GPU numbers as in 0 or 0,1, a trial on each at a time, or cpu. The first GPU by "
            "default, else the CPU.",
            metavar="N,...|cpu",
        ),
    ] = None,
    gpu_memory: GpuMemoryOption = None,
    cache: Annotated[
        bool, typer.Option("--cache", help="Keep the encoded records in memory once read, in half of what is free.")
    ] = False,
    cache_memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="The same, in this much memory: 8GB, 500MB or 25%.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(metavar="NAME", help="Compute the networks in float32 (default) or bfloat16.")
    ] = None,
    notify_target: run_options.NotifyOption = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Delete the study and the runs of its trials, and begin anew.")
    ] = False,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Search for better hyperparameters around a run's config, trial by trial; each is a run like any other.

    Ctrl-C stops the trials after they have saved, and the same command goes on with them, also after a crash.
    Several of these commands share a study.

    Example: `odtool tune my_run --trials 30 --gpu 0,1`
    """
    with _watching() as watch:
        result = api.tune(
            run,
            trials=trials,
            time_limit=time_limit,
            steps=steps,
            evaluations=evaluations,
            space=space,
            pruner=pruner,
            best=best,
            seed=seed,
            gpu=gpu,
            gpu_memory=gpu_memory,
            cache=cache,
            cache_memory=cache_memory,
            precision=precision,
            notify_target=notify_target,
            restart=restart,
            workspace=workspace,
            notify=console.say,
            watch=watch,
        )
    console.show(_payload(result), as_json=as_json, render=lambda out: _render(out, result))
    result.refuse_failed()


@contextmanager
def _watching() -> Iterator[Callable[[StudyProgress], None]]:
    """The table, drawn over and over below what is said; without a terminal, a line now and then."""
    if not console.stderr.is_terminal:
        last = time.monotonic()

        def report(progress: StudyProgress) -> None:
            nonlocal last
            if progress.running and time.monotonic() - last >= _LINE_EVERY:
                last = time.monotonic()
                console.say("; ".join(_describe_running(*item) for item in progress.running.items()))

        yield report
        return
    from rich.live import Live

    with Live(console=console.stderr, transient=True, auto_refresh=False) as live:
        yield lambda progress: live.update(_draw(progress, *console.stderr.size), refresh=True)


def _draw(progress: StudyProgress, width: int, height: int) -> Group:
    """The newest trials, as many as the screen has room for, and what is running."""
    view = progress.view
    room = max(height - len(progress.running) - 5, 1)
    running = [Text(_describe_running(*item), style="cyan") for item in progress.running.items()]
    for line in running:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(_make_table(view, view.trials[-room:], width), Text(_summarise(view)), *running)


def _describe_running(number: int, status: RunStatus) -> str:
    train = status.train.progress
    parts = [f"trial {number}"]
    if train.step is None:
        parts.append("loading TensorFlow and building the model")
    else:
        parts.append(f"step {train.step:,}" + (f" of {train.num_steps:,}" if train.num_steps else ""))
        parts += [f"loss {train.loss:.3g}"] if train.loss is not None else []
        parts += [f"{format_duration(status.train.eta_seconds)} left"] if status.train.eta_seconds else []
    return ", ".join(parts)


def _summarise(view: StudyView) -> str:
    counts = ", ".join(f"{count} {state}" for state in ("complete", "pruned", "failed") if (count := view.count(state)))
    best = f"; best: trial {view.best.number}, {format_metric(view.best.value)}" if view.best else ""
    return f"{counts or 'no trial has ended yet'}{best}"


def _make_table(view: StudyView, trials: Sequence[TrialView], width: int) -> Table:
    """As many parameters as the width has room for, the most important first where that is known."""
    order = [*view.importance, *sorted({name for trial in view.trials for name in trial.values} - {*view.importance})]
    names = api.shorten_names(order)
    columns: list[tuple[str, list[str]]] = [
        ("trial", [f"{trial.number}" for trial in trials]),
        ("state", [trial.state for trial in trials]),
        (name_metric(view), [format_metric(_find_value(trial)) for trial in trials]),
    ]
    room = width - sum(_measure(*column) for column in columns)
    for name in order:
        cells = [api.format_value(trial.values[name]) if name in trial.values else "-" for trial in trials]
        if (room := room - _measure(names[name], cells)) < 0:
            break
        columns.append((names[name], cells))
    rows = [list(row) for row in zip(*(cells for _, cells in columns), strict=True)]
    made = console.table("", [head for head, _ in columns], rows)
    for row, trial in zip(made.rows, trials, strict=True):
        is_best = view.best is not None and trial.number == view.best.number
        row.style = "bold" if is_best else _STYLES[trial.state] if trial.state != "complete" else None
    return made


def _measure(head: str, cells: Sequence[str]) -> int:
    """Characters that a column takes, the gap to the next included."""
    return max(map(len, (head, *cells))) + 2


def name_metric(view: StudyView) -> str:
    """The field's name of the metric that trials are compared by."""
    return MAIN_METRICS.get(view.metric, view.metric)


def _compare_with_base(view: StudyView, best: TrialView) -> Table:
    """The best trial's values beside those of the run's own config."""
    base = next((trial for trial in view.trials if trial.is_base), None)
    own = base.values if base else {}
    rows = [
        [name, api.format_value(value), api.format_value(own[name]) if name in own else "-"]
        for name, value in best.values.items()
    ]
    return console.unfolded(console.table("", ["parameter", "best trial", "run's own"], rows), console.stdout)


def _find_value(trial: TrialView) -> float | None:
    """The best of a trial that has ended, the newest of one that runs."""
    return trial.scores[max(trial.scores)] if trial.value is None and trial.scores else trial.value


def _payload(result: StudyResult) -> dict[str, Any]:
    view = result.view
    return {
        "run": result.folder.run.name,
        "metric": view.metric,
        "whole": result.is_whole,
        "best": None if view.best is None else view.best.to_json() | _name_run(result, view.best),
        "base": None if view.base is None else view.base.to_json() | _name_run(result, view.base),
        "importance": dict(view.importance),
        "trials": [trial.to_json() | _name_run(result, trial) for trial in view.trials],
        "page": str(result.folder.page),
    }


def _name_run(result: StudyResult, trial: TrialView) -> dict[str, str]:
    return {"run": result.folder.trial_run(trial.number).name}


def _render(out: Console, result: StudyResult) -> None:
    view, run = result.view, result.folder.run
    out.print(_make_table(view, view.trials, out.width))
    for trial in view.trials:
        if trial.state == "failed":
            console.stdout.out(f"trial {trial.number} failed: {trial.reason}", highlight=False)
    if view.best is not None:
        out.print()
        out.print(_compare_with_base(view, view.best))
        out.print()
    if view.importance:
        names = api.shorten_names(list(view.importance))
        out.print("importance: " + ", ".join(f"{names[name]} {share:.0%}" for name, share in view.importance.items()))
    out.print(f"page: {result.folder.page}", markup=False)
    if view.best is not None:
        base = f"; the run's own config: {format_metric(view.base.value)}" if view.base else ""
        name = result.folder.trial_run(view.best.number).name
        out.print(f"best: {name}, {name_metric(view)} {format_metric(view.best.value)}{base}", markup=False)
    if not result.is_whole:
        out.print(f"next: odtool tune {run.argument}", markup=False)
    elif view.best is not None:
        out.print(f"next: odtool configure --like-trial {run.argument}/best", markup=False)
