"""odtool benchmark: the files of exports side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odtool.api.result import benchmark as api
from odtool.cli import completion, console, progress_display
from odtool.cli.common_options import DebugOption, JsonOption, WorkspaceOption
from odtool.units import format_bytes, format_metric

if TYPE_CHECKING:
    from rich.console import Console

    from odtool.api.result.benchmark import Benchmark, DeviceMeasurement, FileBenchmark


def benchmark(
    exports: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="EXPORT...",
            help="Folders that odtool export wrote, files in them, or runs; the newest run by default.",
            autocompletion=completion.complete_runs,
        ),
    ] = None,
    threads: Annotated[
        str, typer.Option(help="Processors that each file may use, one after the other.", metavar="N,N,all")
    ] = "1,2,all",
    batches: Annotated[
        str, typer.Option("--batch", help="Images at once, for files that take several.", metavar="N,N")
    ] = "1,4,8",
    images: Annotated[int, typer.Option(min=1, help="Evaluation images for the mAP.", metavar="N")] = 100,
    repeats: Annotated[int, typer.Option(min=1, help="Timed calls.", metavar="N")] = 50,
    gpu: Annotated[
        str | None, typer.Option("--gpu", help="A GPU's number, to measure there, too.", metavar="N")
    ] = None,
    record: Annotated[
        bool, typer.Option("--record/--no-record", help="Write the figures into export.json and the model card.")
    ] = True,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Compare the files of exports: latency, images a second, memory, size and mAP.

    Each file is measured on each device in a process of its own. Exits with 1 where nothing could be measured.

    Example: `odtool benchmark exported-models/my_run --threads 1,all`
    """
    with progress_display.spinner("starting", lines=True) as notify:
        done = api.benchmark(
            exports or (),
            threads=threads,
            batches=batches,
            images=images,
            repeats=repeats,
            gpu=gpu,
            record=record,
            workspace=workspace,
            notify=notify,
        )
    console.show(done.as_json(), as_json=as_json, render=lambda screen: _render(screen, done))


def _render(screen: Console, done: Benchmark) -> None:
    columns = ["file", "on", "ms", "p95", "images/s", "memory", "size", "mAP"]
    for folder in dict.fromkeys(file.folder for file in done.files):
        rows = [row for file in done.files if file.folder == folder for row in _list_rows(file)]
        screen.print(console.unfolded(console.table(console.stdout.shorten_paths(str(folder)), columns, rows), screen))
    if rows := [row for file in done.files for row in _list_batches(file)]:
        screen.print(console.table("images a second, by images at once", ["file", "on", *_list_sizes(done)], rows))
    for file in done.files:
        for one in file.measurements:
            if one.problem:
                console.warn(f"{file.file} on {one.device}: {one.problem}")
    images = max(file.images for file in done.files)
    screen.print(
        f"ms: median and 95th percentile of one image, scaling included, decoding not; memory: peak of the process; "
        f"mAP@[.5:.95] on {images:,} evaluation images. {done.machine}.",
        markup=False,
    )


def _list_rows(file: FileBenchmark) -> list[list[Any]]:
    rows = []
    for place, one in enumerate(file.measurements):
        of_file = [format_bytes(file.bytes), format_metric(file.ap)] if place == 0 else ["", ""]
        rows.append([file.file if place == 0 else "", one.device, *_list_figures(one), *of_file])
    return rows


def _list_figures(one: DeviceMeasurement) -> list[str]:
    if one.milliseconds is None or one.milliseconds_p95 is None:
        return ["failed", "", "", ""]
    memory = format_bytes(one.peak_bytes) if one.peak_bytes else ""
    return [f"{one.milliseconds:.1f}", f"{one.milliseconds_p95:.1f}", f"{one.images_per_second[1]:.1f}", memory]


def _list_sizes(done: Benchmark) -> list[str]:
    sizes = {size for file in done.files for one in file.measurements for size in one.images_per_second}
    return [str(size) for size in sorted(sizes)]


def _list_batches(file: FileBenchmark) -> list[list[Any]]:
    """Rows of a file that takes several images at once."""
    measured = [one for one in file.measurements if len(one.images_per_second) > 1]
    return [
        [file.file, one.device, *(f"{rate:.1f}" for _, rate in sorted(one.images_per_second.items()))]
        for one in measured
    ]
