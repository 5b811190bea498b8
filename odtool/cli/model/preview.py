"""odtool preview: what the model is really given to train on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from odtool.api.model import preview as api
from odtool.cli import console, progress_display
from odtool.cli.common_options import DebugOption, JsonOption, WorkspaceOption
from odtool.cli.run import run_options

if TYPE_CHECKING:
    from rich.console import Console

    from odtool.api.model.preview import WrittenPreview


def preview(
    run: run_options.RunArgument = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page; preview.html in the run's folder by default.")
    ] = None,
    images: Annotated[int, typer.Option(min=1, max=200, metavar="N", help="Images of the first batches to show.")] = 12,
    seed: Annotated[
        int,
        typer.Option(
            min=0, max=2**31 - 1, metavar="N", help="Of the choice of images and of the chances of augmentation."
        ),
    ] = 0,
    step_by_step: Annotated[
        bool, typer.Option("--step-by-step", help="Show the first image after each augmentation, too.")
    ] = False,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what training gives the model: batches after augmentation and resizing, beside the images in the records.

    Writes one page without starting a training. Boxes, masks and keypoints are drawn, each augmentation is named with
    its options, and the same seed shows the same.

    Example: `odtool preview --step-by-step`
    """
    with progress_display.spinner(lines=True) as notify:
        written = api.preview(
            run, out=out, images=images, seed=seed, step_by_step=step_by_step, workspace=workspace, notify=notify
        )
    console.show(written.as_json(), as_json=as_json, render=lambda screen: _render(screen, written))


def _render(screen: Console, written: WrittenPreview) -> None:
    shown = written.preview
    rows = [
        [number, item.name, ", ".join(f"{name} {value}" for name, value in item.options.items()) or "as by default"]
        for number, item in enumerate(shown.augmentations, start=1)
    ]
    if rows:
        screen.print(console.table("", ["", "augmentation", "options"], rows))
    else:
        screen.print("no augmentation: train_config.data_augmentation_options is empty", markup=False)
    count = len(shown.images)
    screen.print(f"{count} image{'' if count == 1 else 's'} in {written.page}", markup=False)
