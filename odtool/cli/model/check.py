"""odtool check: everything that can be known to go wrong, before an hour is spent on it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from odtool.api.model import check as api
from odtool.cli import console, progress_display
from odtool.cli.common_options import DebugOption, JsonOption, WorkspaceOption
from odtool.cli.run import run_options

if TYPE_CHECKING:
    from rich.console import Console

    from odtool.api.model.check import CheckedRun

_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


def check(
    run: run_options.RunArgument = None,
    sample: Annotated[int, typer.Option(min=1, help="Records of each set to decode and look at closely.")] = 300,
    every_record: Annotated[bool, typer.Option("--all", help="Look at every record.")] = False,
    gpu: Annotated[
        str | None, typer.Option(help="GPUs that are to share a batch, as for odtool train; the first by default.")
    ] = None,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Look at a run before it is trained: config, records, label map, classes, checkpoint and model.

    Builds the real model to say how many of its variables the checkpoint fills. Exit code 1 where training would fail.

    Example: `odtool check --all`
    """
    with progress_display.spinner() as notify:
        checked = api.check(run, sample=None if every_record else sample, gpu=gpu, workspace=workspace, notify=notify)
    payload = {
        "run": checked.run.name,
        "path": str(checked.run.pipeline_config),
        **{level: checked.count(level) for level in api.LEVELS},
        "findings": [asdict(finding) for finding in checked.findings],
    }
    console.show(payload, as_json=as_json, render=lambda screen: _render(checked, screen))
    if checked.count("error"):
        raise typer.Exit(1)


def _render(checked: CheckedRun, screen: Console) -> None:
    for finding in checked.findings:
        level = f"[{_COLOURS[finding.level]}]{finding.level:8}[/]"
        screen.print(f"{level}{escape(finding.subject)}: {escape(finding.message)}")
        if finding.hint:
            screen.print(f"        hint: {finding.hint}", style="dim", markup=False)
    run = checked.run
    if errors := checked.count("error"):
        screen.print(f"training {run.name} would fail or learn something wrong; errors: {errors}", markup=False)
    else:
        screen.print(f"next: odtool train {run.argument} --eval", markup=False)
