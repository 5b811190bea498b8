"""odtool models: the model zoo with its published figures, and `pull`, which brings a model here."""

from __future__ import annotations

from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from odtool.api.model import models as api
from odtool.cli import completion, console, progress_display
from odtool.cli.common_options import DebugOption, JsonOption, WorkspaceOption
from odtool.cli.help_page import HelpfulGroup, OneProcessCommand

if TYPE_CHECKING:
    from rich.console import Console

    from odtool.api.model.models import ListedModel, PulledModel


app = typer.Typer(cls=HelpfulGroup, rich_markup_mode="markdown")

_SHORT = {"keypoints": "points"}
"""What is written shorter, so that a line of the table fits on a terminal of 80 columns."""


class Order(str, Enum):
    """What the table is sorted by."""

    name = "name"
    map = "map"
    speed = "speed"
    size = "size"


@app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    sort: Annotated[
        Order,
        typer.Option(help="By name, COCO mAP (best first), speed (fastest first) or input size (smallest first)."),
    ] = Order.speed,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter", help="Architecture, output (boxes, masks, keypoints) or part of a name; all must fit."
        ),
    ] = None,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List the TF2 detection model zoo: what `odtool configure --model` takes. `odtool models pull` downloads one.

    COCO mAP and speed are the zoo's own published figures; the GPU they were timed on is not named there.

    Example: `odtool models --filter ssd --sort map`
    """
    if context.invoked_subcommand is not None:
        _refuse_misplaced(context)
        return
    listed = api.list_models(sort=sort.value, filters=tuple(filters or ()), workspace=workspace)
    if not listed:
        names = ", ".join(f"'{wanted}'" for wanted in filters or [])
        console.warn(f"no model fits {names}: an architecture, an output (boxes, masks, keypoints) or part of a name")
    payload = {"models": [asdict(model) for model in listed]}
    console.show(payload, as_json=as_json, render=lambda screen: _render(listed, screen) if listed else None)


def _refuse_misplaced(context: typer.Context) -> None:
    """Options of the list, given before the name of another command, would be passed over without a word."""
    for parameter in context.params:
        source = context.get_parameter_source(parameter)
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(f"options of '{context.invoked_subcommand}' stand after its name.")


def _published_maps(model: ListedModel) -> tuple[float | None, ...]:
    return model.coco_map, model.mask_map, model.keypoint_map


def _render(models: list[ListedModel], screen: Console) -> None:
    columns = ["model", "input", "COCO mAP", "ms", "weights", "finds", "here"]
    cells = [
        [
            model.name,
            f"{model.height}x{model.width}",
            "/".join(f"{value:.1f}" for value in _published_maps(model) if value is not None),
            "" if model.speed_ms is None else f"{model.speed_ms:g}",
            f"{model.parameters / 1e6:.1f}M" if model.parameters else "",
            "+".join(_SHORT.get(output, output) for output in model.outputs),
            "yes" if model.downloaded else "",
        ]
        for model in models
    ]
    table = console.table("", columns, cells)
    screen.print(console.unfolded(table, screen))
    screen.print("COCO mAP of boxes, masks or points and ms an image as the zoo publishes them.", markup=False)


@app.command("pull", cls=OneProcessCommand)
def pull(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A model of the zoo, as odtool models lists it.",
            autocompletion=completion.complete_models,
        ),
    ],
    url: Annotated[
        str | None,
        typer.Option(help="A mirror: of the one .tar.gz, or what stands before its date and name."),
    ] = None,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Download a model of the zoo with its checkpoint into model_zoo/, where `odtool configure` finds it.

    A download that broke off is resumed. A tarball that lies in model_zoo/ already is unpacked from there.

    Example: `odtool models pull ssd_mobilenet_v2_fpnlite_320x320`
    """
    brought = api.pull_model(name, url=url, workspace=workspace, progress=progress_display.progress, notify=console.say)
    pulled = brought.pulled
    payload = {
        "model": brought.config,
        "path": str(pulled.folder),
        "checkpoint": str(pulled.checkpoint),
        "how": pulled.how,
        "source": pulled.source or None,
        "bytes": pulled.bytes,
        "resumed_from": pulled.resumed_from,
    }
    console.show(payload, as_json=as_json, render=lambda screen: _render_pulled(brought, screen))


def _render_pulled(brought: PulledModel, screen: Console) -> None:
    pulled = brought.pulled
    size = f"{pulled.bytes / 1e6:,.1f} MB"
    line = {
        "already here": f"already here: {pulled.folder}",
        "downloaded": f"downloaded {size} from {pulled.source}",
        "unpacked": f"unpacked {pulled.source} ({size}), which can be deleted now",
    }[pulled.how]
    screen.print(line, markup=False)
    if pulled.resumed_from:
        screen.print(f"{pulled.resumed_from / 1e6:,.1f} MB of it were here from an earlier attempt", markup=False)
    screen.print(f"checkpoint {pulled.checkpoint}", markup=False)
    screen.print(f"next: odtool configure --model {brought.name}", markup=False)
