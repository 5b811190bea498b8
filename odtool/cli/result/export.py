"""odtool export: a run's model as SavedModel, TFLite and ONNX files, each verified against its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odtool.api.result import export as api
from odtool.api.result.export import DisagreementError
from odtool.api.tasks.engine_tasks import INPUT_TYPES
from odtool.cli import console, progress_display
from odtool.cli.common_options import DebugOption, GpuMemoryOption, JsonOption, WorkspaceOption
from odtool.cli.run import run_options
from odtool.units import format_bytes, format_metric

if TYPE_CHECKING:
    from rich.console import Console


def export(  # noqa: PLR0913, PLR0917 - a command has as many parameters as options
    run: run_options.RunArgument = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            help="best, latest, or a checkpoint's path. The best by default, where there is one.", metavar="WHICH|PATH"
        ),
    ] = None,
    formats: Annotated[
        str, typer.Option("--format", help="Any of savedmodel, tflite and onnx.", metavar="FORMATS")
    ] = "savedmodel",
    tflite: Annotated[
        str, typer.Option(help="Precision of TFLite files, any of float32, float16 and int8.", metavar="PRECISIONS")
    ] = "float32",
    input_type: Annotated[
        str, typer.Option(help=f"What the SavedModel takes: {', '.join(INPUT_TYPES)}.", metavar="TYPE")
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
        typer.Option(
            min=0, max=1, help="Agreement that a file with float weights needs; 0 takes any.", metavar="SHARE"
        ),
    ] = 0.9,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write, instead of exported-models/<run>.", metavar="DIR")
    ] = None,
    gpu: Annotated[
        str, typer.Option("--gpu", help="cpu, or the number of a GPU to run the checkpoint on.", metavar="N|cpu")
    ] = "cpu",
    gpu_memory: GpuMemoryOption = None,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Export a run's model for other programs and devices.

    Each file is run in its own runtime and compared with the checkpoint. Where one with float weights does not agree,
    nothing is put in place, and the exit code is 1.

    Example: `odtool export --format savedmodel,tflite,onnx --tflite float16,int8`
    """
    try:
        with progress_display.spinner("loading TensorFlow", lines=True) as notify:
            exported = api.export(
                run,
                checkpoint=checkpoint,
                formats=formats,
                precisions=tflite,
                input_type=input_type,
                max_detections=max_detections,
                fast_nms=fast_nms,
                representative_images=representative_images,
                verify_images=verify_images,
                min_agreement=min_agreement,
                out=out,
                gpu=gpu,
                gpu_memory=gpu_memory,
                workspace=workspace,
                notify=notify,
            )
    except DisagreementError as error:
        _show(error.record, None, as_json=as_json)
        raise
    path = exported.model.path
    _show(exported.record, path, as_json=as_json)  # now that it is in place, whether or not anybody reads
    if exported.gone:
        console.warn(f"the earlier export is replaced; it also held {', '.join(exported.gone)}")
    console.say(f"exported to {path}; {exported.model.card.name} there says how to call each file")


def _show(record: Mapping[str, Any], path: Path | None, *, as_json: bool) -> None:
    payload = {**record, "path": None if path is None else str(path)}
    console.show(payload, as_json=as_json, render=lambda screen: _render(screen, record))


def _render(screen: Console, record: Mapping[str, Any]) -> None:
    rows = []
    for file in record["files"]:
        agreement, input_of = file["agreement"], file["input"]
        rows.append(
            [
                file["file"],
                format_bytes(file["bytes"]),
                input_of.get("dtype") or input_of["type"],
                f"{agreement['found']:.1%}",
                f"{agreement['confirmed']:.1%}",
                format_metric(file["mAP"]),
                format_metric(file["mAP_change"], sign=True),
                f"{file['milliseconds']:.1f}",
            ]
        )
    columns = ["file", "size", "input", "found", "confirmed", "mAP", "change", "ms per image"]
    on = record["verified_on"]
    title = f"{record['checkpoint']} of run {record['run']}, on {on['images']} images of the {on['split']} records"
    table = console.table(title, columns, rows)
    screen.print(console.unfolded(table, screen))
    least = min(file["agreement"]["min_score"] for file in record["files"])
    screen.print(
        f"found: the checkpoint's detections from score {least:.2g} on that the file has too (same class, IoU 0.5); "
        f"confirmed: the reverse. mAP of the checkpoint here: {format_metric(on['mAP'])}. {record['machine']}.",
        style="dim",
        markup=False,
    )
