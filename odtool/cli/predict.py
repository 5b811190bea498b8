"""odtool predict: a trained model at work on images and videos."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odtool import output_folder
from odtool.cli import asking, console, job
from odtool.cli.console import DebugOption, JsonOption, WorkspaceOption
from odtool.errors import DataError, JobError, OdtoolError
from odtool.jobs import devices
from odtool.workspace import Predictions, Run, Workspace

if TYPE_CHECKING:
    from rich.console import Console

FORMATS = ("coco", "voc", "yolo", "csv", "labelme")
_SHOWN = 20
"""Pictures whose counts are shown; counts.csv has all."""


def predict(  # noqa: PLR0913, PLR0917 - a command has as many parameters as it has options
    source: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help="Images, videos, folders of them, or patterns.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|PATH",
            help="A run, an exported or saved model, a .tflite or .onnx file; the newest run by default.",
        ),
    ] = None,
    label_map: Annotated[
        Path | None, typer.Option(help="Names of the classes, for a model that does not carry them.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder to write; predictions of before give way where nobody has changed them.")
    ] = Path("predictions"),
    min_score: Annotated[
        list[str] | None,
        typer.Option(metavar="SCORE|CLASS=SCORE", help="Lowest score, of all (0.5 by default) or of one class."),
    ] = None,
    save_as: Annotated[
        str | None, typer.Option(metavar="FORMATS", help="Annotations to correct: coco, voc, yolo, csv, labelme.")
    ] = None,
    count: Annotated[bool, typer.Option("--count", help="Count objects by class and image, in counts.csv.")] = False,
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Draw the boxes on copies of images and videos.")
    ] = True,
    tile: Annotated[
        int | None, typer.Option(min=32, help="Look at larger images in tiles of this side, in pixels.")
    ] = None,
    overlap: Annotated[
        int | None, typer.Option(min=0, help="Pixels that tiles share; by default a fifth of --tile.")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Look at one of this many frames of a video.")] = 1,
    batch_size: Annotated[int, typer.Option(min=1, help="Images, frames or tiles that the model gets at once.")] = 8,
    gpu: Annotated[str, typer.Option("--gpu", help="cpu, or a GPU's number that training does not use.")] = "cpu",
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Find objects in images and videos, and write pictures, detections.jsonl, counts and annotations.

    What cannot be read is named, counted and passed over; exits with 1 where nothing at all could be read.

    Example: `odtool predict photos --model my_run --save-as coco`
    """
    if overlap is not None and tile is None:
        raise typer.BadParameter("means nothing without --tile.", param_hint="--overlap")
    _check_scores(min_score or [])
    path = _model(console.workspace(workspace), model)
    choice = devices.choose(devices.find_gpus(), gpu)
    options: list[object] = ["--model", path, "--batch-size", batch_size, "--every", every]
    options += ["--label-map", label_map] if label_map else []
    options += [f"--min-score={score}" for score in min_score or []]
    options += ["--tile", tile, "--overlap", tile // 5 if overlap is None else overlap] if tile else []
    options += ["--save-as", ",".join(_formats(save_as))] if save_as else []
    options += ["--count"] if count else []
    options += [] if pictures else ["--no-pictures"]
    target = Predictions(out.absolute())
    if others := _other_outputs(path):
        console.warn(f"{path.name} finds {others}, too; only its boxes are written")
    with output_folder.replacing(target.path, command="odtool predict", refuse=refuse_foreign) as folder:
        command = [*job.ENGINE, "predict", "--folder", folder, *options, "--", *source]
        with _telling() as tell:
            summary = asking.converse("predict", list(map(str, command)), environment=choice.environment, hear=tell)
    payload = {**summary, "path": str(target.path), "model": str(path), "device": choice.label}
    console.show(payload, as_json=as_json, render=lambda screen: _render(screen, target, payload, counted=count))


def _check_scores(values: list[str]) -> None:
    """Refused here, before seconds of loading."""
    for value in values:
        text = value.rpartition("=")[2]
        try:
            fits = 0 <= float(text) <= 1
        except ValueError:
            fits = False
        if not fits:
            raise typer.BadParameter(f"'{text}' is no number from 0 to 1", param_hint="--min-score")


def _formats(text: str) -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in FORMATS:
            raise typer.BadParameter(f"'{name}' is not one of {', '.join(FORMATS)}", param_hint="--save-as")
    if not names:
        raise typer.BadParameter(f"names none of {', '.join(FORMATS)}", param_hint="--save-as")
    return names


def _model(space: Workspace, wanted: str | None) -> Path:
    """The path of what is named: a run first, else what lies there.

    Raises:
        JobError: there is neither.
    """
    if wanted is None:
        return space.find_run(None).path
    runs = {run.name: run.path for run in space.runs()}
    if wanted in runs:
        return runs[wanted]
    path = Path(wanted)
    if path.exists() or path.with_name(f"{path.name}.index").is_file():
        return path.absolute()
    known = ", ".join(list(runs)[-5:]) or "none yet"
    raise JobError(
        f"--model {wanted}: no run in {space.train} and no file or folder has this name",
        f"Runs there: {known}. Or give the path of an exported model.",
    )


def _other_outputs(model: Path) -> str:
    """What a model finds beside boxes, by the pipeline.config of its folder; empty where there is none to tell."""
    from odtool.pipeline.text import heads
    from odtool.pipeline.text.facts import read_facts

    place = Run(model if model.is_dir() else model.parent).pipeline_config
    try:
        return " and ".join(heads.find_learned(read_facts(place))) if place.is_file() else ""
    except OdtoolError:  # the engine says so, where it matters
        return ""


def refuse_foreign(out: Path) -> None:
    """Raises DataError where `out` is no folder that predictions may replace: it must be empty or earlier ones."""
    output_folder.refuse_foreign(out, Predictions(out).summary.name)
    if changed := _changed_since(Predictions(out)):
        raise DataError(
            f"{changed}: was added or changed after odtool predicted into {out}, and would be lost",
            "Write elsewhere with --out, or move the folder away.",
        )


def _changed_since(earlier: Predictions) -> Path | None:
    """A file that is newer than the summary, which odtool writes last: such as an annotation corrected by hand."""
    if not earlier.summary.is_file():
        return None
    written = earlier.summary.stat().st_mtime_ns
    paths = (Path(folder) / name for folder, _, names in os.walk(earlier.path) for name in names)
    return next((path for path in paths if path.lstat().st_mtime_ns > written), None)


@contextmanager
def _telling() -> Iterator[Callable[[Any], None]]:
    """Says what the engine does before it looks at anything, then how many pictures it has looked at."""
    with ExitStack() as stack:
        report: console.Report | None = None

        def tell(doing: Any) -> None:
            nonlocal report
            if not isinstance(doing, int):
                console.say(str(doing))
                return
            if report is None:  # from here on, so that the rate is without the time for loading
                report = stack.enter_context(console.progress("pictures", None))
            report(doing, 0)

        yield tell


def _render(screen: Console, out: Predictions, payload: dict[str, Any], *, counted: bool) -> None:
    if counted:
        screen.print(_counts(out, payload))
    else:
        rows = [[label, number] for label, number in payload["objects"].items()]
        screen.print(console.table("", ["class", "objects"], rows))
    seen = {kind: payload[kind] for kind in ("images", "videos", "frames") if payload[kind]}
    looked = [f"{number:,} {kind if number > 1 else kind[:-1]}" for kind, number in seen.items()]
    screen.print(
        f"{', '.join(looked)}, {payload['without_objects']:,} without objects, {payload['per_second']:g}/s",
        markup=False,
    )
    for problem in payload["named"]:
        console.warn(f"{problem['file']}: {problem['detail']}")
    if (left := sum(payload["problems"].values()) - len(payload["named"])) > 0:
        console.warn(f"and {left:,} more, all in {out.problems}")
    if payload["unnamed_classes"]:
        count = sum(payload["objects"][label] for label in payload["unnamed_classes"])
        console.warn(
            f"the label map does not name the classes of {count:,} objects: "
            f"{', '.join(payload['unnamed_classes'][:10])}. Give one that does: --label-map FILE"
        )
    screen.print(f"Written to {out.path}", markup=False)


def _counts(out: Predictions, payload: dict[str, Any]) -> Any:
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
    sums = [payload["objects"][label] for label in columns[2:-1]]
    return console.table("", ["image", *columns[2:]], [*shown, ["all", *sums, sum(sums)]])


def _picture(row: list[str]) -> str:
    return f"{row[0]}, frame {row[1]}" if row[1] else row[0]
