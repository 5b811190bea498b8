"""odtool predict: a trained model at work on images and videos."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odtool.api.result import predict as api
from odtool.cli import completion, console
from odtool.cli.common_options import DebugOption, GpuMemoryOption, JsonOption, PartOption, WorkspaceOption
from odtool.cli.stages import open_stages
from odtool.workspace import Predictions

if TYPE_CHECKING:
    from rich.console import Console

    from odtool.api.result.predict import Predicted

_SHOWN = 20
"""Pictures whose counts are shown; counts.csv has all."""


def predict(  # noqa: PLR0913, PLR0917 - a command has as many parameters as it has options
    source: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            help="Images, videos, folders of them, or patterns; a camera's number; addresses of images and streams; - "
            "for a list of them on standard input; with --join, folders of parts.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|PATH",
            help="A run, an exported or saved model, a .tflite or .onnx file; the newest run by default.",
            autocompletion=completion.complete_runs,
        ),
    ] = None,
    label_map: Annotated[
        Path | None, typer.Option(help="Names of the classes, for a model that does not carry them.", metavar="FILE")
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            help="Folder to write; earlier predictions there are replaced unless somebody has changed them.",
            metavar="DIR",
        ),
    ] = Path("predictions"),
    min_score: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SCORE|CLASS=SCORE|best",
            help="Lowest score, of all (0.5 by default) or of one class; best: each class's own, from odtool report.",
        ),
    ] = None,
    save_as: Annotated[
        str | None, typer.Option(metavar="FORMATS", help="Annotations to correct: coco, voc, yolo, csv, labelme.")
    ] = None,
    count: Annotated[bool, typer.Option("--count", help="Count objects by class and image, in counts.csv.")] = False,
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Draw the boxes on copies of images and videos.")
    ] = True,
    tile: Annotated[
        int | None, typer.Option(min=32, help="Look at larger images in tiles of this side, in pixels.", metavar="PX")
    ] = None,
    overlap: Annotated[
        int | None, typer.Option(min=0, help="Pixels that tiles share; by default a fifth of --tile.", metavar="PX")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Look at one of this many frames of a video.")] = 1,
    batch_size: Annotated[int, typer.Option(min=1, help="Images, frames or tiles that the model gets at once.")] = 8,
    track_objects: Annotated[
        bool,
        typer.Option(
            "--track-objects", help="Follow objects through videos and count distinct ones: odtool[tracking]."
        ),
    ] = False,
    count_line: Annotated[
        str | None,
        typer.Option(metavar="X1,Y1,X2,Y2", help="Count objects that cross this line, in pixels of the video."),
    ] = None,
    show_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, metavar="PORT", help="Show what is looked at on http://127.0.0.1:PORT; 0 for any port."
        ),
    ] = None,
    part: PartOption = None,
    join: Annotated[
        bool,
        typer.Option(
            "--join", help="Join parts, by default those of --out, to what one machine would have written; no model."
        ),
    ] = False,
    gpu: Annotated[
        str, typer.Option("--gpu", help="cpu, or the number of a GPU that has room.", metavar="N|cpu")
    ] = "cpu",
    gpu_memory: GpuMemoryOption = None,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Find objects in images and videos, and write pictures, detections.jsonl, counts and annotations.

    What cannot be read is named, counted and passed over; exits with 1 where nothing at all could be read.

    Example: `odtool predict photos --model my_run --save-as coco`
    """
    with open_stages() as stages:
        predicted = api.predict(
            source or (),
            model=model,
            label_map=label_map,
            out=out,
            min_score=min_score or (),
            save_as=() if save_as is None else save_as,
            count=count,
            pictures=pictures,
            track_objects=track_objects,
            count_line=count_line,
            show_port=show_port,
            part=part,
            join=join,
            tile=tile,
            overlap=overlap,
            every=every,
            batch_size=batch_size,
            gpu=gpu,
            gpu_memory=gpu_memory,
            workspace=workspace,
            progress=stages.progress,
            notify=stages.notify,
        )
    if predicted.other_outputs and predicted.model:
        console.warn(f"{predicted.model.name} finds {predicted.other_outputs}, too; these are not written")
    if predicted.boxes_only:
        names, holders = ", ".join(predicted.boxes_only), ", ".join(("detections.jsonl", *api.WITH_MASKS))
        console.warn(f"{names}: boxes without their masks; {holders} hold both")
    payload = {
        **predicted.summary,
        "path": str(predicted.out.path),
        "model": str(predicted.model) if predicted.model else None,
        "device": predicted.device,
        "part": predicted.part,
        "joined": predicted.joined,
    }
    counted = count or predicted.out.counts.is_file()
    console.show(payload, as_json=as_json, render=lambda screen: _render(screen, predicted, counted=counted))


def _render(screen: Console, predicted: Predicted, *, counted: bool) -> None:
    out, summary = predicted.out, predicted.summary
    if counted:
        screen.print(_counts(out, summary))
    else:
        rows = [[label, number] for label, number in summary["objects"].items()]
        screen.print(console.table("", ["class", "objects"], rows))
    seen = {kind: summary[kind] for kind in ("images", "videos", "frames") if summary[kind]}
    looked = [f"{number:,} {kind if number > 1 else kind[:-1]}" for kind, number in seen.items()]
    screen.print(
        f"{', '.join(looked)}, {summary['without_objects']:,} without objects, {summary['per_second']:g}/s",
        markup=False,
    )
    _render_objects(screen, summary)
    if dropped := summary.get("dropped_frames"):
        screen.print(f"{dropped:,} frames were passed over, as looking at others took longer than they lasted")
    for problem in summary["named"]:
        console.warn(f"{problem['file']}: {problem['detail']}")
    if (left := sum(summary["problems"].values()) - len(summary["named"])) > 0:
        console.warn(f"and {left:,} more, all in {out.problems}")
    if summary["unnamed_classes"]:
        count = sum(summary["objects"][label] for label in summary["unnamed_classes"])
        console.warn(
            f"the label map does not name the classes of {count:,} objects: "
            f"{', '.join(summary['unnamed_classes'][:10])}. Give one that does: --label-map FILE"
        )
    screen.print(f"Written to {out.path}", markup=False)
    if predicted.part:
        whole = out.path.parent.with_suffix("")
        screen.print(f"When all parts are there: odtool predict --join --out {shlex.quote(str(whole))}", markup=False)


def _render_objects(screen: Console, summary: Mapping[str, Any]) -> None:
    """Distinct objects of videos, and those that crossed the line."""
    if "distinct_objects" not in summary:
        return
    sides = ["left", "right"] if "crossed_line" in summary else []
    crossed = summary.get("crossed_line", {})
    rows = [
        [label, number, *(crossed.get(label, {}).get(side, 0) for side in sides)]
        for label, number in summary["distinct_objects"].items()
    ]
    if not rows:
        screen.print("no object was followed from picture to picture", markup=False)
        return
    screen.print(console.table("", ["class", "distinct objects", *(f"to the {side}" for side in sides)], rows))


def _counts(out: Predictions, summary: Mapping[str, Any]) -> Any:
    """Counts of the first pictures, and the sums of all."""
    import csv
    from itertools import islice

    with out.counts.open(newline="", errors="surrogateescape") as file:
        rows = csv.reader(file)
        columns = next(rows)
        shown = [[_picture(row), *map(int, row[2:])] for row in islice(rows, _SHOWN)]
        left = sum(1 for _ in rows)
    if left:
        shown.append([f"{left:,} more in {out.counts.name}", *[""] * (len(columns) - 2)])
    sums = [summary["objects"][label] for label in columns[2:-1]]
    return console.table("", ["image", *columns[2:]], [*shown, ["all", *sums, sum(sums)]])


def _picture(row: list[str]) -> str:
    return f"{row[0]}, frame {row[1]}" if row[1] else row[0]
