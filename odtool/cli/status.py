"""odtool status: what a run's training and evaluation are doing, read from the disk."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from odtool import metrics, units
from odtool.cli import console, job
from odtool.cli.console import DebugOption, JsonOption, WorkspaceOption
from odtool.detection.metric_names import MAP, MAP_50
from odtool.jobs import stall, state, training_progress
from odtool.workspace import Run, Workspace

_SHOWN_METRICS = {MAP: "mAP@[.5:.95]", MAP_50: "mAP@.5"}


def status(
    run: job.RunArgument = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Draw all runs, or the one named, again and again until Ctrl-C.")
    ] = False,
    interval: Annotated[float, typer.Option(min=0.1, max=3600, help="With --watch: seconds between looks.")] = 2.0,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show the state of a run's training and evaluation, from any terminal.

    Example: `odtool status my_run --json`
    """
    space = console.workspace(workspace)
    if watch:
        _watch(space, run, interval, as_json=as_json)
        return
    found = space.find_run(run)
    payload = account(found)
    others = [] if run else _others(space, found)

    def render(out: Console) -> None:
        out.out(f"run   {found.name}   {found.path}", highlight=False)
        for line in [*_train_lines(payload["train"]), *_eval_lines(payload["eval"])]:
            out.out(line, highlight=False)
        if others:
            out.out(f"other runs: {', '.join(others)}", highlight=False)

    console.show(payload, as_json=as_json, render=render)


def _watch(space: Workspace, run: str | None, interval: float, *, as_json: bool) -> None:
    from odtool.cli import watch

    if as_json:
        raise typer.BadParameter("--watch shows what changes; --json gives one object: use one of them")
    if run is not None:
        named = space.find_run(run)
        watch.watch(lambda: [named], str(named.path), interval=interval)
    else:
        space.find_run(None)  # says so where there is none
        # Runs made meanwhile appear, the newest first.
        watch.watch(lambda: space.runs()[::-1], str(space.root), interval=interval)


def account(run: Run) -> dict[str, Any]:
    """What is known of a run, as --json gives it."""
    train = state.read(run, "train")
    running = train.state == "running"
    progress = training_progress.read(run.metrics, since=train.started or 0 if running else 0)
    return {
        "run": run.name,
        "train": {
            **job.account(train),
            **asdict(progress),
            "eta_seconds": progress.eta_seconds if running else None,
            "stalled_seconds": stall.measure_stall(run.metrics, train.started or 0, time.time()) if running else None,
            "recoveries": [{"step": entry.step, **entry.values} for entry in metrics.read(run.metrics, "recover")],
        },
        "eval": {**job.account(state.read(run, "eval")), **_scores(run)},
    }


def _scores(run: Run) -> dict[str, Any]:
    newest = metrics.find_newest(run.metrics, "eval")
    best = metrics.find_newest(run.metrics, "best")
    return {
        "metrics": {"step": newest.step, **newest.values} if newest else None,
        "best": {"step": best.step, **best.values} if best else None,
    }


def _train_lines(train: dict[str, Any]) -> list[str]:
    lines = [f"train {_state(train)}"]
    if train["stalled_seconds"] is not None:
        lines.append(f"      stalled: no step for {units.format_duration(train['stalled_seconds'])}; see odtool logs")
    for made in train["recoveries"][-1:]:
        count = len(train["recoveries"])
        again = f"made smaller {count} times, last" if count > 1 else "made smaller"
        lines.append(f"      {again} at step {made['step']:,} to batch size {made['batch_size']}: {made['reason']}")
    if train["step"] is None:
        return [*lines, "      loading TensorFlow and building the model"] if train["state"] == "running" else lines
    parts = [f"step {train['step']:,}" + (f" of {train['num_steps']:,}" if train["num_steps"] else "")]
    parts += [f"loss {train['loss']:.4g}"] if train["loss"] is not None else []
    parts += [f"learning rate {train['learning_rate']:.3g}"] if train["learning_rate"] is not None else []
    parts += [f"{train['steps_per_second']:.3g} steps/s"] if train["steps_per_second"] is not None else []
    parts += [f"{units.format_duration(train['eta_seconds'])} left"] if train["eta_seconds"] is not None else []
    parts += [f"{train['restarts']} restart" + "s" * (train["restarts"] > 1)] if train["restarts"] else []
    return [*lines, "      " + ", ".join(parts)]


def _eval_lines(scored: dict[str, Any]) -> list[str]:
    lines = [f"eval  {_state(scored)}"]
    if newest := scored["metrics"]:
        shown = [
            f"{label} {'-' if newest[name] is None else format(newest[name], '.3f')}"
            for name, label in _SHOWN_METRICS.items()
            if name in newest
        ]
        sample = newest.get("sample_1_of_n") or 1
        of = f", on 1 of {sample} images" if sample > 1 else ""
        lines.append(f"      step {newest['step']:,}: {', '.join(shown)}{of}")
    if best := scored["best"]:
        figure = [figure_of(best)] if isinstance(best.get("value"), (int, float)) else []
        lines.append("      best: " + ", ".join([f"step {best['step']:,}", *figure, str(best.get("checkpoint"))]))
    return lines


def figure_of(best: Mapping[str, Any]) -> str:
    """The figure by which the best checkpoint was chosen, with the metric's name."""
    metric = best.get("metric", "")
    return f"{_SHOWN_METRICS.get(metric, metric)} {best['value']:.3f}".lstrip()


def _state(account: dict[str, Any]) -> str:
    told = job.describe(state.JobState(**{key: account[key] for key in ("state", "pid", "exit_code", "reason")}))
    if account["state"] == "running" and account["started"]:
        told += f", since {units.format_duration(time.time() - account['started'])}"
    return told


def _others(space: Workspace, shown: Run) -> list[str]:
    """The other runs, newest first, with what goes on in them."""
    told = []
    for run in reversed([run for run in space.runs() if run.path != shown.path]):
        try:
            going = [task for task in ("train", "eval") if state.read(run, task).state == "running"]
        except OSError as error:
            told.append(f"{run.name} (cannot be read: {error})")
            continue
        told.append(f"{run.name} ({' and '.join(going)} running)" if going else run.name)
    return told
