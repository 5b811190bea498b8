"""odtool report: one page on a run, or on several side by side."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odtool import checkpoint_choice
from odtool.cli import asking, console
from odtool.cli.console import DebugOption, JsonOption, WorkspaceOption
from odtool.errors import JobError, OdtoolError
from odtool.jobs import devices
from odtool.workspace import Run, Workspace

if TYPE_CHECKING:
    from rich.console import Console

    from odtool.report.detections_file import Examination
    from odtool.report.figures import RunReport


def report(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="RUN...", help="Runs' names; the newest run by default.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The page; report.html in the run's folder, or in train/ for several.")
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="best, latest, or a checkpoint's path; by default the best, else the latest.")
    ] = None,
    images: Annotated[
        int, typer.Option(min=0, max=200, help="Images with most mistakes; half as many of the best.")
    ] = 12,
    gpu: Annotated[str, typer.Option("--gpu", help="cpu, or a GPU's number that training does not use.")] = "cpu",
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write one page on a run: curves, accuracy by class, thresholds, mistakes, images, settings and data.

    With several runs, the page compares them side by side.

    Example: `odtool report my_run`
    """
    space = console.workspace(workspace)
    found = [space.find_run(name) for name in dict.fromkeys(runs)] if runs else [space.find_run(None)]
    page = _page(space, found, out)
    if checkpoint is not None and len(found) > 1 and checkpoint not in ("best", "latest"):
        raise typer.BadParameter("a checkpoint's path belongs to one run; for several, give best or latest")
    choice = devices.choose(devices.find_gpus(), gpu)
    made = [_report(run, checkpoint, choice) for run in found]
    _write(made, page, images)
    payload = _payload(made, page)
    console.show(payload, as_json=as_json, render=lambda screen: _render(screen, made, page))


def _page(space: Workspace, runs: list[Run], out: Path | None) -> Path:
    page = out or (runs[0].report if len(runs) == 1 else space.train / "report.html")
    if page.is_dir():
        raise OdtoolError(f"{page}: is a folder", "Give --out a file, such as report.html.")
    return page


def _report(run: Run, checkpoint: str | None, choice: devices.DeviceChoice) -> RunReport:
    from odtool.report import figures

    examination, absence = None, ""
    try:
        examination = _examine(run, checkpoint_choice.find(run, checkpoint), choice)
    except OdtoolError as error:
        if checkpoint is not None:
            raise
        absence = error.message
        console.warn(f"{run.name}: {absence}; the report is on the rest")
    return figures.gather(run, examination, absence)


def _examine(run: Run, prefix: Path, choice: devices.DeviceChoice) -> Examination:
    """The checkpoint's detections: those of an earlier report, where nothing has changed since.

    Raises:
        OdtoolError: there are no evaluation records, or the engine cannot run the model.
    """
    from odtool.report import detections_file, record_images

    if not record_images.find_evaluation_files(run):
        raise JobError(
            f"{run.pipeline_config}: its evaluation records are not there, or it names none",
            "Prepare some, and write the config anew: odtool prepare --val 0.1, odtool configure",
        )
    name = str(prefix.relative_to(run.path)) if prefix.is_relative_to(run.path) else str(prefix)
    header = {"checkpoint": name, "stamp": detections_file.compute_stamp(run, prefix)}
    if detections_file.is_fresh(run.detections, header):
        return detections_file.read(run.detections)
    with ExitStack() as stack:
        output = run.detections
        if not os.access(run.path, os.W_OK):  # somebody else's run, as on a shared disk
            output = Path(stack.enter_context(TemporaryDirectory(prefix="odtool-"))) / output.name
        options = ["--checkpoint", prefix, "--output", output, "--header", json.dumps(header)]
        console.say(f"{run.name}: {name} over the evaluation records on {choice.label}")
        with console.progress("images", None) as done:
            asking.follow(
                "detections", run, *options, environment=choice.environment, hear=lambda images: done(int(images), 0)
            )
        return detections_file.read(output)


def _write(made: list[RunReport], page: Path, images: int) -> None:
    from odtool.files import write_atomically
    from odtool.report import comparison
    from odtool.report import report_page as single

    if len(made) > 1:
        write_atomically(page, comparison.render(made))
        return
    write_atomically(page, single.render(made[0], _pictures(made[0], images), images))


def _pictures(made: RunReport, images: int) -> Any:
    from odtool.report import image_section, record_images

    if made.analysis is None:
        return {}
    wanted = [verdict.image.source_id for verdict in image_section.choose_images(made.analysis, images)]
    return record_images.find_images(record_images.find_evaluation_files(made.run), wanted)


def _payload(made: list[RunReport], page: Path) -> dict[str, Any]:
    from odtool.report import figures, settings_diff

    payload: dict[str, Any] = {"page": str(page.absolute()), "runs": [figures.to_json(each) for each in made]}
    if len(made) > 1:
        payload["comparable"] = figures.are_comparable(made)
        payload["differing_settings"] = settings_diff.compare_runs([each.run for each in made])
    return payload


def _render(screen: Console, made: list[RunReport], page: Path) -> None:
    rows = [_row(each) for each in made]
    screen.print(console.table("", ["run", "checkpoint", "mAP@[.5:.95]", "mAP@.5", "mistakes"], rows))
    screen.print(f"Page in {page}", markup=False)


def _row(made: RunReport) -> list[Any]:
    if made.analysis is None:
        return [made.run.name, "not examined", "", "", ""]
    figures = made.analysis.accuracy.figures
    shown = ["-" if value is None else f"{value:.3f}" for value in (figures.ap, figures.ap_50)]
    return [made.run.name, made.analysis.examination.checkpoint, *shown, sum(made.analysis.mistakes.values())]
