"""odtool export: a run's model as SavedModel, TFLite and ONNX files, each verified against its checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from odtool import checkpoint_choice, output_folder, units
from odtool.cli import asking, console, job
from odtool.cli.console import DebugOption, JsonOption, WorkspaceOption
from odtool.errors import DataError, JobError
from odtool.jobs import devices
from odtool.workspace import ExportedModel, Run

if TYPE_CHECKING:
    from rich.console import Console

    from odtool.pipeline.text.config import PipelineConfig

FORMATS = ("savedmodel", "tflite", "onnx")
PRECISIONS = ("float32", "float16", "int8")
INPUT_TYPES = ("image_tensor", "float_image_tensor", "encoded_image_string_tensor", "tf_example")


def export(  # noqa: PLR0913, PLR0917 - a command has as many parameters as options
    run: job.RunArgument = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(help="best, latest, or a checkpoint's path. The best by default, where there is one."),
    ] = None,
    formats: Annotated[str, typer.Option("--format", help="Any of savedmodel, tflite and onnx.")] = "savedmodel",
    tflite: Annotated[
        str, typer.Option(help="Precision of TFLite files, any of float32, float16 and int8.")
    ] = "float32",
    input_type: Annotated[
        str, typer.Option(help=f"What the SavedModel takes: {', '.join(INPUT_TYPES)}.")
    ] = "image_tensor",
    max_detections: Annotated[
        int | None,
        typer.Option(min=1, help="Most detections in an image of a TFLite file. By default as the config says."),
    ] = None,
    fast_nms: Annotated[
        bool,
        typer.Option(
            "--fast-nms",
            help="In TFLite files of SSD models, let boxes suppress each other whatever their classes: "
            "faster with many classes, but not what the checkpoint does.",
        ),
    ] = False,
    representative_images: Annotated[
        int, typer.Option(min=1, help="Training images from which int8 learns the range of each tensor.")
    ] = 100,
    verify_images: Annotated[
        int, typer.Option(min=1, help="Evaluation images on which each file is compared with the checkpoint.")
    ] = 50,
    min_agreement: Annotated[
        float,
        typer.Option(min=0, max=1, help="Agreement that a file with float weights needs; 0 takes any."),
    ] = 0.9,
    out: Annotated[Path | None, typer.Option(help="Folder to write, in place of exported-models/<run>.")] = None,
    gpu: Annotated[str, typer.Option("--gpu", help="cpu, or the number of a GPU to run the checkpoint on.")] = "cpu",
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Export a run's model for other programs and devices.

    Each file is run in its own runtime and compared with the checkpoint. Where one with float weights does not agree,
    nothing is put in place, and the exit code is 1.

    Example: `odtool export --format savedmodel,tflite,onnx --tflite float16,int8`
    """
    wanted = _chosen(formats, FORMATS, "--format")
    precisions = _chosen(tflite, PRECISIONS, "--tflite")
    if input_type not in INPUT_TYPES:
        raise typer.BadParameter(f"--input-type {input_type} is not one of {', '.join(INPUT_TYPES)}")
    space = console.workspace(workspace)
    found = space.find_run(run)
    target = ExportedModel(out.absolute()) if out else space.exported(found)
    prefix = checkpoint_choice.find(found, checkpoint)
    check_before(found, wanted, integers="tflite" in wanted and "int8" in precisions)
    choice = devices.choose(devices.find_gpus(), gpu)
    options: list[object] = ["--checkpoint", prefix, "--format", ",".join(wanted), "--tflite", ",".join(precisions)]
    options += ["--input-type", input_type, "--representative-images", representative_images]
    options += ["--verify-images", verify_images, "--min-agreement", min_agreement]
    options += [
        *(["--max-detections", max_detections] if max_detections else []),
        *(["--fast-nms"] if fast_nms else []),
    ]

    def write(folder: Path, tell: Callable[[str], None]) -> dict[str, Any]:
        return asking.follow("export", found, "--folder", folder, *options, environment=choice.environment, hear=tell)

    _export(target, write, as_json=as_json)


def _export(
    target: ExportedModel, write: Callable[[Path, Callable[[str], None]], dict[str, Any]], *, as_json: bool
) -> None:
    """Puts what `write` makes in place, where it is accepted, and shows it in any case."""
    earlier = sorted(path.name for path in target.path.iterdir()) if target.path.is_dir() else []
    with output_folder.replacing(target.path, command="odtool export", refuse=_refuse_foreign) as folder:
        with _telling() as tell:
            record = write(folder, tell)
        if not record["accepted"]:
            _show(record, None, as_json=as_json)
            _refuse(target, record)
        gone = [name for name in earlier if not (folder / name).exists()]
    _show(record, target.path, as_json=as_json)  # now that it is in place, whether or not anybody reads
    if gone:
        console.warn(f"the earlier export is replaced; it also held {', '.join(gone)}")
    console.say(f"exported to {target.path}; {target.card.name} there says how to call each file")


def _show(record: dict[str, Any], path: Path | None, *, as_json: bool) -> None:
    payload = {**record, "path": None if path is None else str(path)}
    console.show(payload, as_json=as_json, render=lambda screen: _render(screen, record))


def _chosen(text: str, known: tuple[str, ...], option: str) -> list[str]:
    """Names separated by commas, each once, in the order of `known`."""
    names = {name.strip() for name in text.split(",")} - {""}
    if strangers := sorted(names - set(known)):
        raise typer.BadParameter(f"{option} {strangers[0]} is not one of {', '.join(known)}")
    if not names:
        raise typer.BadParameter(f"{option} names none of {', '.join(known)}")
    return [name for name in known if name in names]


def check_before(run: Run, formats: list[str], *, integers: bool) -> None:
    """Raises OdtoolError for what cannot be exported, before the engine has spent a minute on it.

    Args:
        integers: a TFLite int8 file is among it.
    """
    from odtool.pipeline.checks import exportable
    from odtool.pipeline.text.facts import read_facts

    facts = read_facts(run.pipeline_config)
    exportable.refuse(facts, tuple(formats))
    _check_records(facts.config, run, integers=integers)
    missing = [name for name in ("tf2onnx", "onnxruntime") if "onnx" in formats and find_spec(name) is None]
    if missing:
        raise JobError(f"--format onnx: {missing[0]} is not installed", "Install it: pip install 'odtool[onnx]'")


def _check_records(loaded: PipelineConfig, run: Run, *, integers: bool) -> None:
    from odtool.pipeline import record_patterns

    def any_in(readers: Iterable[Any]) -> bool:
        return any(file.stat().st_size for file in record_patterns.find_files(*readers))

    mend = "Make them with odtool prepare; the config names where they are looked for."
    training = any_in([loaded.message.train_input_reader])
    if integers and not training:
        message = (
            f"{run.pipeline_config}: no training records, from which --tflite int8 learns the range of each tensor"
        )
        raise DataError(message, mend)
    if not training and not any_in(loaded.message.eval_input_reader[:1]):
        raise DataError(f"{run.pipeline_config}: no records to verify the export on", mend)


def _refuse_foreign(out: Path) -> None:
    output_folder.refuse_foreign(out, ExportedModel(out).record.name)


@contextmanager
def _telling() -> Iterator[Callable[[str], None]]:
    """Shows what is being done: beside a spinner on a terminal, else a line each."""
    if console.stderr.is_terminal:
        with console.stderr.status("loading TensorFlow") as spinner:
            yield lambda doing: spinner.update(escape(doing))  # a run may be named 'night [a]'
        return
    yield console.say


def _render(screen: Console, record: dict[str, Any]) -> None:
    from odtool.detection import model_card

    rows = []
    for each in record["files"]:
        agreement, input_of = each["agreement"], each["input"]
        rows.append(
            [
                each["file"],
                units.format_bytes(each["bytes"]),
                input_of.get("dtype") or input_of["type"],
                f"{agreement['found']:.1%}",
                f"{agreement['confirmed']:.1%}",
                model_card.format_number(each["mAP"]),
                model_card.format_number(each["mAP_change"], sign=True),
                f"{each['milliseconds']:.1f}",
            ]
        )
    columns = ["file", "size", "input", "found", "confirmed", "mAP", "change", "ms per image"]
    on = record["verified_on"]
    told = f"{record['checkpoint']} of run {record['run']}, on {on['images']} images of the {on['split']} records"
    shown = console.table(told, columns, rows)
    screen.print(console.unfolded(shown, screen))
    least = min(each["agreement"]["min_score"] for each in record["files"])
    screen.print(
        f"found: the checkpoint's detections from score {least:.2g} on that the file has too (same class, IoU 0.5); "
        f"confirmed: the reverse. checkpoint mAP here: {model_card.format_number(on['mAP'])}. {record['machine']}.",
        style="dim",
        markup=False,
    )


def _refuse(target: ExportedModel, record: dict[str, Any]) -> None:
    failed = [each["file"] for each in record["files"] if not each["accepted"]]
    message = (
        f"{', '.join(failed)}: agrees with {record['checkpoint']} less than {record['min_agreement']:.0%}, "
        f"so nothing is written to {target.path}"
    )
    console.stderr.print(f"[red]error:[/] {escape(message)}")
    console.stderr.print("[dim]hint:[/] To have the files all the same, for a look: --min-agreement 0")
    raise typer.Exit(1)
