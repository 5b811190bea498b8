"""odtool report: one page on a run, or on several side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odtool.api.result import report as api
from odtool.cli import completion, console
from odtool.cli.common_options import DebugOption, JsonOption, WorkspaceOption
from odtool.cli.stages import open_stages
from odtool.units import format_metric

if TYPE_CHECKING:
    from rich.console import Console

    from odtool.api.result.report import RunReport, WrittenReport


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN...", help="Runs' names; the newest run by default.", autocompletion=completion.complete_runs
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The page; report.html in the run's folder, or in train/ for several.")
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="best, latest, or a checkpoint's path; by default the best, else the latest.")
    ] = None,
    images: Annotated[
        int,
        typer.Option(
            min=0,
            max=200,
            help="Images with most mistakes; up to 3 times as many of what they lack, half as many of the best.",
        ),
    ] = 12,
    gpu: Annotated[str, typer.Option("--gpu", help="cpu, or a GPU's number that training does not use.")] = "cpu",
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write one page on a run: curves, accuracy by class, thresholds, mistakes, images, settings and data.

    With several runs, the page compares them side by side.

    Example: `odtool report my_run`
    """
    with open_stages() as stages:
        written = api.report(
            runs,
            out=out,
            checkpoint=checkpoint,
            images=images,
            gpu=gpu,
            workspace=workspace,
            progress=stages.progress,
            notify=stages.notify,
        )
    for one in written.runs:
        if one.absence:
            console.warn(f"{one.run.name}: {one.absence}; the report is on the rest")
    console.show(written.as_json(), as_json=as_json, render=lambda screen: _render(screen, written))


def _render(screen: Console, written: WrittenReport) -> None:
    rows = [_row(one) for one in written.runs]
    screen.print(console.table("", ["run", "checkpoint", "mAP@[.5:.95]", "mAP@.5", "mistakes"], rows))
    screen.print(f"Page in {written.page}", markup=False)


def _row(one: RunReport) -> list[Any]:
    if one.analysis is None:
        return [one.run.name, "not examined", "", "", ""]
    figures = one.analysis.accuracy.figures
    shown = [format_metric(value) for value in (figures.ap, figures.ap_50)]
    return [one.run.name, one.analysis.examination.checkpoint, *shown, sum(one.analysis.mistakes.values())]
