"""odtool export: a run's model as SavedModel, TFLite and ONNX files, each verified against its checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odtool import folders
from odtool.cli import asking, console, evaluate, job
from odtool.cli.console import DebugOption, JsonOption, WorkspaceOption
from odtool.errors import JobError
from odtool.jobs import devices
from odtool.workspace import ExportedModel, Run

if TYPE_CHECKING:
    from rich.console import Console

FORMATS = ("savedmodel", "tflite", "onnx")
PRECISIONS = ("float32", "float16", "int8")
INPUT_TYPES = ("image_tensor", "float_image_tensor", "encoded_image_string_tensor", "tf_example")


def export(
    run: job.RunArgument = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(help="best, latest, or a checkpoint's path. The best by default, where there is one."),
    ] = None,
    formats: Annotated[str, typer.Option("--format", help="Any of savedmodel, tflite and onnx.")] = "savedmodel",
    input_type: Annotated[
        str, typer.Option(help=f"What the SavedModel takes: {', '.join(INPUT_TYPES)}.")
    ] = "image_tensor",
    out: Annotated[Path | None, typer.Option(help="Folder to write, in place of exported-models/<run>.")] = None,
    gpu: Annotated[str, typer.Option("--gpu", help="cpu, or the number of a GPU to run the model on.")] = "cpu",
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Export a run's model for other programs and devices, and verify each file against the checkpoint.

    Example: `odtool export --format savedmodel,tflite,onnx`
    """
    wanted = _chosen(formats, FORMATS, "--format")
    if input_type not in INPUT_TYPES:
        raise typer.BadParameter(f"--input-type {input_type} is not one of {', '.join(INPUT_TYPES)}")
    space = console.workspace(workspace)
    found = space.find_run(run)
    target = ExportedModel(out.absolute()) if out else space.exported(found)
    prefix = find_checkpoint(found, checkpoint)
    choice = devices.choose(devices.inventory(), gpu)
    with folders.replacing(target.path, command="odtool export", refuse=refuse_foreign) as folder:
        options: list[object] = ["--checkpoint", prefix, "--folder", folder]
        options += ["--format", ",".join(wanted), "--input-type", input_type]
        with _telling() as tell:
            record = asking.follow("export", found, *options, environment=choice.environment, hear=tell)
    console.show(
        {**record, "path": str(target.path)}, as_json=as_json, render=lambda screen: _render(screen, target, record)
    )


def _chosen(text: str, known: tuple[str, ...], option: str) -> list[str]:
    """Names separated by commas, each once, in the order of `known`."""
    names = {name.strip() for name in text.split(",")}
    if strangers := sorted(names - set(known)):
        raise typer.BadParameter(f"{option} {strangers[0]} is not one of {', '.join(known)}")
    return [name for name in known if name in names]


def find_checkpoint(run: Run, wanted: str | None) -> Path:
    """Prefix of the checkpoint asked for; where nothing is, of the best, or else of the latest.

    Raises:
        JobError: there is none.
    """
    present = run.checkpoints()
    if wanted is None:
        wanted = "best" if run.best_checkpoint() else "latest"
    if wanted == "best" and (best := run.best_checkpoint()):
        return best
    if wanted == "latest" and present:
        return present[max(present)]
    if wanted == "latest":
        raise JobError(f"run '{run.name}' has no checkpoint", f"Train it first: odtool train {run.name}")
    return Path(evaluate.resolve_checkpoint(run, wanted))


def refuse_foreign(out: Path) -> None:
    """Raises JobError where `out` is no folder that an export may replace: it must be empty or an earlier export."""
    if not out.exists():
        return
    if not out.is_dir():
        raise JobError(f"{out}: is a file, not a folder", "Name another folder with --out.")
    if any(out.iterdir()) and not ExportedModel(out).record.is_file():
        raise JobError(
            f"{out}: holds files but no export.json, so odtool did not write it",
            "It would replace the whole folder: name another one with --out, or move those files away.",
        )


@contextmanager
def _telling() -> Iterator[Callable[[str], None]]:
    """Shows what is being done: beside a spinner on a terminal, else a line each."""
    if console.stderr.is_terminal:
        with console.stderr.status("loading TensorFlow") as spinner:
            yield spinner.update
        return
    yield console.say


def _render(screen: Console, target: ExportedModel, record: dict[str, Any]) -> None:
    screen.print(f"{record['checkpoint']} of run {record['run']} exported to {target.path}", markup=False)
