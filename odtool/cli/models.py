"""odtool models: the model zoo with its published figures, and `pull`, which brings a model here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odtool.cli import console
from odtool.cli.console import DebugOption, JsonOption, WorkspaceOption

if TYPE_CHECKING:
    from rich.console import Console

    from odtool.pipeline.zoo.pull_model import Pulled
    from odtool.pipeline.zoo.zoo_model import ZooModel


app = typer.Typer(rich_markup_mode="markdown")


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
    del debug  # handled when it is parsed
    if context.invoked_subcommand is not None:
        _refuse_misplaced(context)
        return
    from odtool.pipeline.zoo.catalogue import MODELS

    downloaded = {folder.name for folder in console.workspace(workspace).model_zoo.glob("*") if folder.is_dir()}
    chosen = [model for model in MODELS if all(_fits(model, wanted.lower()) for wanted in filters or [])]
    if not chosen:
        told = ", ".join(f"'{wanted}'" for wanted in filters or [])
        console.warn(f"no model fits {told}: an architecture, an output (boxes, masks, keypoints) or part of a name")
    chosen.sort(key=_key(sort))
    rows = [_row(model, downloaded) for model in chosen]
    console.show({"models": rows}, as_json=as_json, render=lambda screen: _render(rows, screen) if rows else None)


def _refuse_misplaced(context: typer.Context) -> None:
    """Options of the list, given before the name of another command, would be passed over without a word."""
    for parameter in context.params:
        source = context.get_parameter_source(parameter)
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(f"options of '{context.invoked_subcommand}' stand after its name.")


def _fits(model: ZooModel, wanted: str) -> bool:
    return wanted == model.architecture or wanted in model.outputs or wanted in model.name


def _key(order: Order) -> Callable[[ZooModel], tuple[float, str]]:
    def key(model: ZooModel) -> tuple[float, str]:
        figures = {
            Order.name: 0.0,
            Order.map: -(model.published.coco_map or 0.0),
            Order.speed: model.published.speed_ms or float("inf"),
            Order.size: float(model.height * model.width),
        }
        return figures[order], model.name

    return key


def _row(model: ZooModel, downloaded: set[str]) -> dict[str, Any]:
    from odtool.pipeline.zoo import zoo
    from odtool.pipeline.zoo.parameters import PARAMETERS

    return {
        "name": zoo.shorten_name(model.name),
        "config": model.name,
        "architecture": model.architecture,
        "height": model.height,
        "width": model.width,
        "outputs": list(model.outputs),
        "coco_map": model.published.coco_map,
        "mask_map": model.published.mask_map,
        "keypoint_map": model.published.keypoint_map,
        "speed_ms": model.published.speed_ms,
        "parameters": PARAMETERS.get(model.name),
        "checkpoint": zoo.find_address(model) or None,
        "downloaded": bool({model.name, model.folder, zoo.shorten_name(model.name)} & downloaded),
    }


def _render(rows: list[dict[str, Any]], screen: Console) -> None:
    columns = ["model", "architecture", "input", "COCO mAP", "ms", "parameters", "outputs", "here"]
    cells = [
        [
            row["name"],
            row["architecture"],
            f"{row['height']}x{row['width']}",
            " / ".join(
                f"{row[name]:.1f}" for name in ("coco_map", "mask_map", "keypoint_map") if row[name] is not None
            ),
            "" if row["speed_ms"] is None else f"{row['speed_ms']:g}",
            f"{row['parameters'] / 1e6:.1f}M" if row["parameters"] else "",
            ", ".join(row["outputs"]),
            "yes" if row["downloaded"] else "",
        ]
        for row in rows
    ]
    table = console.table("", columns, cells)
    screen.print(console.unfolded(table, screen))
    screen.print("COCO mAP of boxes / masks / key points and ms an image as the zoo publishes them.", markup=False)


@app.command("pull")
def pull(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model of the zoo, as odtool models lists it.")],
    url: Annotated[
        str | None,
        typer.Option(help="A mirror: of the one .tar.gz, or what stands before its date and name."),
    ] = None,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Download a model of the zoo with its checkpoint into model_zoo/, where `odtool configure` finds it.

    A download that broke off is gone on with. A tarball that lies in model_zoo/ already is unpacked from there.

    Example: `odtool models pull ssd_mobilenet_v2_fpnlite_320x320`
    """
    del debug  # handled when it is parsed
    from odtool.pipeline.zoo import pull_model, zoo

    model = zoo.find(name)
    with ExitStack() as shown:
        pulled = pull_model.pull(model, console.workspace(workspace).model_zoo, url=url, report=_reporter(shown, model))
    payload = {
        "model": model.name,
        "path": str(pulled.folder),
        "checkpoint": str(pulled.checkpoint),
        "how": pulled.how,
        "source": pulled.source or None,
        "bytes": pulled.bytes,
        "resumed_from": pulled.resumed_from,
    }
    console.show(payload, as_json=as_json, render=lambda screen: _render_pulled(pulled, model, screen))


def _reporter(shown: ExitStack, model: ZooModel) -> Callable[[int, int], None]:
    """Shows progress in megabytes from the first bytes on, when the size is known."""
    report: console.Report | None = None

    def show(have: int, total: int) -> None:
        nonlocal report
        if report is None:
            console.say(f"downloading {model.folder}")
            report = shown.enter_context(console.progress("megabytes", round(total / 1e6)))
        report(round(have / 1e6), have)

    return show


def _render_pulled(pulled: Pulled, model: ZooModel, screen: Console) -> None:
    size = f"{pulled.bytes / 1e6:,.1f} MB"
    said = {
        "already here": f"already here: {pulled.folder}",
        "downloaded": f"downloaded {size} from {pulled.source}",
        "unpacked": f"unpacked {pulled.source} ({size}), which can be deleted now",
    }[pulled.how]
    screen.print(said, markup=False)
    if pulled.resumed_from:
        screen.print(f"{pulled.resumed_from / 1e6:,.1f} MB of it were here from an earlier attempt", markup=False)
    screen.print(f"checkpoint {pulled.checkpoint}", markup=False)
    from odtool.pipeline.zoo import zoo

    screen.print(f"next: odtool configure --model {zoo.shorten_name(model.name)}", markup=False)
