"""odtool demo: the whole way on drawn images, with one line that says how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from odtool.api import demo as api
from odtool.api.demo import DemoResult
from odtool.api.run.status import MAP, RunStatus
from odtool.cli import console, progress_display
from odtool.cli.common_options import DebugOption, JsonOption
from odtool.units import format_duration

_PLAIN_LINE_EVERY = 10.0
"""Seconds between progress lines where there is no terminal."""


def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to work in; created if needed.")] = Path(
        "odtool-demo"
    ),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Go the whole way on drawn images of two classes: prepare, configure, train and evaluate, in minutes on a CPU.

    Exits with 1 where the detector did not learn.

    Example: `odtool demo /tmp/demo`
    """
    with ExitStack() as stack:
        line = _ProgressLine(stack)
        result = api.demo(folder, progress=progress_display.progress, notify=line.say, watch=line.watch)
    payload = result.status.as_json()
    payload["eval"]["best"] = result.best
    payload |= {
        "ap50_by_class": result.ap50_by_class,
        "seconds": result.seconds,
        "picture": str(result.picture),
    }
    console.show(payload, as_json=as_json, render=lambda out: _render(out, result))
    result.refuse_unlearned()


class _ProgressLine:
    """One line that is written over on a terminal, or a line every ten seconds elsewhere."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._update: Callable[[str], None] | None = None
        self._last = float("-inf")

    def watch(self, status: RunStatus) -> None:
        """Shows how far training and evaluation are."""
        if console.stderr.is_terminal:
            if self._update is None:  # not before, as a progress bar is drawn until then
                self._update = self._stack.enter_context(progress_display.spinner())
            self._update(_describe_progress(status))
        elif time.monotonic() - self._last >= _PLAIN_LINE_EVERY:
            self._last = time.monotonic()
            console.say(_describe_progress(status))

    def say(self, text: str) -> None:
        """Shows what is done now: beside the spinner where there is one."""
        console.say(text)
        if self._update is not None:
            self._update(text)


def _describe_progress(status: RunStatus) -> str:
    progress, eta = status.train.progress, status.train.progress.eta_seconds
    if not progress.step:
        trained = "train: loading TensorFlow and building the model"
    else:
        trained = f"train: step {progress.step}/{progress.num_steps}, loss {progress.loss or 0:.3f}"
        # A rate and a time left say nothing once the last step is done.
        if progress.step != progress.num_steps and progress.steps_per_second and eta is not None:
            trained += f", {progress.steps_per_second:.1f} steps/s, {format_duration(eta)} left"
    scored = status.eval.newest
    if scored is None:
        return f"{trained} | eval: waiting for the first checkpoint"
    return f"{trained} | eval: step {scored.step}, mAP {scored.values.get(MAP) or 0:.3f}"


def _render(out: Console, result: DemoResult) -> None:
    progress, best, run = result.status.train.progress, result.best, result.status.run
    rows: list[list[Any]] = [
        ["steps", f"{progress.step} of {progress.num_steps}"],
        ["loss", f"{progress.loss or 0:.3f}"],
        ["mAP@[.5:.95]", f"{best['value']:.3f}, at step {best['step']}"],
        *([f"mAP@.5 of {label}", f"{value:.3f}"] for label, value in result.ap50_by_class.items()),
        *([f"time to {stage}", format_duration(seconds)] for stage, seconds in result.seconds.items()),
        ["records", str(result.space.data.path)],
        ["run", str(run.path)],
        ["best checkpoint", str(run.path / best["checkpoint"])],
        ["picture", str(result.picture)],
    ]
    table = console.table("", ["", ""], rows)
    table.columns[1].min_width = max(len(row[1]) for row in rows)  # paths are for copying, whatever the width
    out.print(table)
