"""One page on a run, or on several side by side."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odtool import checkpoint_choice, temporary_folders
from odtool.api.requests import (
    CheckpointName,
    Notify,
    RequestError,
    RunName,
    StrPath,
    find_run,
    find_workspace,
    ignore,
    refuse_below,
    takes,
)
from odtool.api.tasks import engine_process
from odtool.api.tasks.device_claim import claim_device
from odtool.api.tasks.engine_tasks import DetectionsTask
from odtool.dataset.progress import Progress, silent
from odtool.errors import JobError, OdtoolError, RefusedError
from odtool.files import write_atomically
from odtool.jobs.devices import DeviceChoice
from odtool.workspace import Run

if TYPE_CHECKING:
    from odtool.reporting.detections_file import Examination
    from odtool.reporting.figures import Analysis, RunReport
    from odtool.reporting.record_images import PagePicture

__all__ = ["ReportRequest", "RunReport", "WrittenReport", "report"]


@dataclass(frozen=True)
class ReportRequest:
    """What `odtool report` is asked for."""

    runs: RunName | Sequence[RunName] | None = None
    """One run or several; the newest by default."""
    _: KW_ONLY
    out: StrPath | None = None
    """The page; report.html in the run's folder, or in train/ for several."""
    checkpoint: CheckpointName | None = None
    """"best", "latest", or a checkpoint's path; by default the best, else the latest."""
    images: int = 12
    """Images with most mistakes; up to three times as many of what these lack, and half as many of the best."""
    gpu: str | int | None = "cpu"
    """"cpu", or the number of a GPU that training does not use."""
    workspace: StrPath = "."
    progress: Progress = field(default=silent, compare=False, repr=False)
    notify: Notify = field(default=ignore, compare=False, repr=False)

    def __post_init__(self) -> None:
        refuse_below("images", self.images, 0)
        if len(self.names()) > 1 and self.checkpoint not in (None, "best", "latest"):
            raise RequestError("checkpoint", "a path belongs to one run; for several, give best or latest")

    def names(self) -> tuple[RunName | None, ...]:
        """Of the runs, each once; None for the newest."""
        if self.runs is None or isinstance(self.runs, (str, Run)):
            return (self.runs,)
        return tuple(dict.fromkeys(self.runs)) or (None,)


@dataclass(frozen=True)
class WrittenReport:
    """The page, and what it shows."""

    page: Path
    runs: tuple[RunReport, ...]

    def as_json(self) -> dict[str, Any]:
        """As `odtool report --json` gives it."""
        from odtool.reporting import figures, settings_diff

        payload: dict[str, Any] = {
            "page": str(self.page.absolute()),
            "runs": [figures.to_json(run) for run in self.runs],
        }
        if len(self.runs) > 1:
            payload["comparable"] = figures.are_comparable(self.runs)
            payload["differing_settings"] = settings_diff.compare_runs([run.run for run in self.runs])
        return payload


@takes(ReportRequest)
def report(request: ReportRequest) -> WrittenReport:
    """Writes one page on a run: curves, accuracy by class, thresholds, mistakes, images, settings and data.

    With several runs, the page compares them side by side. A run without a checkpoint or evaluation records is
    reported all the same, unless a checkpoint is asked for.

    Raises:
        OdtoolError: there is no such run or checkpoint, or the page cannot be written.
    """
    runs = [find_run(request.workspace, name, request.notify).run for name in request.names()]
    page = _find_page(request, runs)
    choice = claim_device(request.gpu)
    reports = tuple(_report(run, request, choice) for run in runs)
    page.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(page, _render(reports, request.images))
    return WrittenReport(page, reports)


def _find_page(request: ReportRequest, runs: Sequence[Run]) -> Path:
    several = find_workspace(request.workspace).train / "report.html"
    page = Path(request.out) if request.out else runs[0].report if len(runs) == 1 else several
    if page.is_dir():
        raise OdtoolError(f"{page}: is a folder", "Give --out a file, such as report.html.")
    return page


def _report(run: Run, request: ReportRequest, choice: DeviceChoice) -> RunReport:
    from odtool.reporting import figures

    examination, prefix, absence = None, None, ""
    try:
        prefix = checkpoint_choice.find(run, request.checkpoint)
        examination = _examine(run, prefix, request, choice)
    except OdtoolError as error:
        if request.checkpoint is not None or isinstance(error, RefusedError):
            raise
        absence = error.message
    gathered = figures.gather(run, examination, absence)
    if prefix is not None and gathered.analysis is not None:
        _write_thresholds(prefix, gathered.analysis, request)
    return gathered


def _write_thresholds(prefix: Path, analysis: Analysis, request: ReportRequest) -> None:
    """The best score of each class, beside the checkpoint, for predict and export."""
    from odtool.detection import best_thresholds
    from odtool.detection.best_thresholds import ClassThreshold

    classes = {
        analysis.examination.labels[number]: ClassThreshold(point.threshold, point.precision, point.recall, point.f1)
        for number, point in analysis.points.items()
    }
    try:
        best_thresholds.write(prefix, len(analysis.examination.images), classes)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        # Somebody else's run, a disk that is mounted to be read: the page may lie elsewhere.
        request.notify(f"{prefix.with_name(best_thresholds.NAME)} is not written: {error.strerror}")


def _examine(run: Run, prefix: Path, request: ReportRequest, choice: DeviceChoice) -> Examination:
    """The checkpoint's detections: those of an earlier report, where nothing has changed since.

    Raises:
        OdtoolError: there are no evaluation records, or the engine cannot run the model.
    """
    from odtool.reporting import detections_file, record_images

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
            output = stack.enter_context(temporary_folders.make()) / output.name
        request.notify(f"{run.name}: {name} over the evaluation records on {choice.label}")
        engine_process.ask_with_progress(
            DetectionsTask(run=run, checkpoint=prefix, output=output, header=header),
            environment=choice.environment,
            label="images",
            progress=request.progress,
            notify=request.notify,
        )
        return detections_file.read(output)


def _render(reports: Sequence[RunReport], images: int) -> str:
    from odtool.reporting import comparison, report_page

    if len(reports) > 1:
        return comparison.render(reports)
    return report_page.render(reports[0], _find_pictures(reports[0], images), images)


def _find_pictures(one: RunReport, images: int) -> dict[str, PagePicture]:
    from odtool.reporting import record_images
    from odtool.reporting.sections import image_section

    if one.analysis is None:
        return {}
    wanted = [verdict.image.source_id for verdict in image_section.choose_images(one.analysis, images)]
    return record_images.find_images(record_images.find_evaluation_files(one.run), wanted)
