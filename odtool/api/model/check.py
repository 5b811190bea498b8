"""Everything that can be known to go wrong with a run, before an hour is spent on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from odtool import temporary_folders
from odtool.api.requests import (
    Notify,
    RunName,
    StrPath,
    choose_device,
    find_run,
    ignore,
    refuse_below,
    takes,
)
from odtool.api.tasks import engine_process
from odtool.api.tasks.engine_tasks import CheckTask, FetchTask
from odtool.errors import OdtoolError
from odtool.jobs import devices
from odtool.workspace import Run

if TYPE_CHECKING:
    from odtool.dataset.records.record_check import RecordReport
    from odtool.pipeline.checks.finding import Finding
    from odtool.pipeline.text.facts import ConfigFacts

__all__ = ["CheckRequest", "CheckedRun", "Finding", "check"]

LEVELS = ("ok", "warning", "error")


@dataclass(frozen=True)
class CheckRequest:
    """What `odtool check` is asked for."""

    run: RunName | None = None
    """The newest by default."""
    _: KW_ONLY
    sample: int | None = 300
    """Records of each set to decode and look at closely; None for all."""
    gpu: str | int | None = None
    """GPUs that are to share a batch, as for `train`; the first by default."""
    workspace: StrPath = "."
    notify: Notify = field(default=ignore, compare=False, repr=False)

    def __post_init__(self) -> None:
        refuse_below("sample", self.sample, 1)


@dataclass(frozen=True)
class CheckedRun:
    """A run, and all that was looked at."""

    run: Run
    findings: tuple[Finding, ...]

    def count(self, level: str) -> int:
        """Findings of a level: "ok", "warning" or "error"."""
        return sum(finding.level == level for finding in self.findings)


@takes(CheckRequest)
def check(request: CheckRequest) -> CheckedRun:
    """Looks at a run's config, records, label map, classes, checkpoint and model; training would fail on an error.

    Raises:
        OdtoolError: there is no such run or GPU, or its config cannot be read.
    """
    from odtool.pipeline.checks.check_list import list_findings
    from odtool.pipeline.checks.finding import Finding, Level
    from odtool.pipeline.text.facts import read_facts
    from odtool.pipeline.text.workspace_paths import Followed

    run = find_run(request.workspace, request.run).run
    facts = read_facts(run.pipeline_config, devices=choose_device(request.gpu).count)
    results = list_findings(facts)
    if move := facts.config.move:
        level: Level = "ok" if isinstance(move, Followed) else "warning"
        results.insert(0, Finding(level, "workspace", move.describe()))
    request.notify("reading records …")
    if any(reader.has_remote_map or reader.has_remote_records for reader in facts.readers):
        results += _check_remote_records(facts, run, request)
    else:
        results += _check_records(
            facts, request.sample, [_RecordSet(reader.label_map, reader.files) for reader in facts.readers]
        )
    request.notify("loading TensorFlow and building the model …")
    results.append(_check_model(run))
    return CheckedRun(run, tuple(results))


@dataclass(frozen=True)
class _RecordSet:
    """Where the files of a reader are looked at."""

    label_map: Path | None
    files: tuple[Path, ...]
    cut: str = ""
    """For people, where these are not all of its records."""


def _check_remote_records(facts: ConfigFacts, run: Run, request: CheckRequest) -> list[Finding]:
    """What a config names by an address, the engine fetches: as many records as are to be looked at."""
    from odtool.pipeline.checks.finding import Finding

    with temporary_folders.make() as folder:
        task = FetchTask(run=run, folder=folder, sample=request.sample)
        try:
            sets = engine_process.ask(task, environment=devices.CPU.environment)["sets"]
        except OdtoolError as error:
            return [Finding("error", "remote files", error.message, error.hint)]
        places = []
        for reader, fetched in zip(facts.readers, sets, strict=True):
            label_map = Path(fetched["label_map"]) if fetched["label_map"] else reader.label_map
            files = (*reader.files, *map(Path, fetched["files"]))
            cut = ""
            if fetched["files"] and request.sample is not None:
                cut = f"the first {request.sample:,} or fewer of {fetched['shards']:,} remote files were fetched"
            places.append(_RecordSet(label_map, files, cut))
        return [*_check_records(facts, request.sample, places), *_check_remote_classes(facts, places[0])]


def _check_remote_classes(facts: ConfigFacts, place: _RecordSet) -> list[Finding]:
    """Whether the model has the classes of a label map that had to be fetched."""
    from odtool.pipeline.checks.classes import check_fetched_classes

    if not facts.readers[0].has_remote_map or place.label_map is None:
        return []
    return list(check_fetched_classes(facts, place.label_map))


def _check_records(facts: ConfigFacts, sample: int | None, places: Sequence[_RecordSet]) -> list[Finding]:
    from odtool.dataset import label_map
    from odtool.dataset.records import record_check
    from odtool.pipeline.checks import annotations
    from odtool.pipeline.checks.classes import check_evaluation_classes

    try:
        classes = label_map.read(places[0].label_map or Path())
    except OdtoolError:  # the checks of the config have reported it
        return []
    results: list[Finding] = []
    reports: list[RecordReport] = []
    for number, place in enumerate(places):
        name = "train" if number == 0 else "eval" if number == 1 else f"eval {number}"
        if place.files:
            reports.append(record_check.check_records(place.files, classes, sample=sample))
            results += _describe_set(name, reports[-1], place.cut)
            results += annotations.check_read_annotations(facts, name, reports[-1].held)
            if number == 1:
                names = [item.name for item in classes]
                seen = reports[-1].classes
                results.append(check_evaluation_classes(names, seen, complete=reports[-1].complete and not place.cut))
    if reports:
        results.append(annotations.check_crowding(facts, max(report.most_objects for report in reports)))
    return results


def _describe_set(name: str, report: RecordReport, cut: str) -> list[Finding]:
    from odtool.pipeline.checks.finding import Finding

    subject = f"{name} data"
    examined = "all" if report.complete else f"{report.examined:,}"
    files = "1 file" if report.files == 1 else f"{report.files:,} files"
    summary = f"{report.records:,} records in {files}; {examined} looked at: {report.objects:,} objects"
    if repetitions := report.held["repetitions"]:
        summary += f"; {repetitions:,} of the records repeat an image (prepare --balance)"
    if cut:
        summary += f"; {cut}"
    problems = []
    for kind, fault in sorted(report.faults.items()):
        times = f"{kind}, {fault.count:,} of them, the first: " if fault.count > 1 else f"{kind}: "
        hint = "Prepare the data anew with odtool prepare, which repairs or leaves out such things and says so."
        problems.append(Finding("error" if fault.level == "error" else "warning", subject, times + fault.first, hint))
    if not report.records:
        return [*problems, Finding("error", subject, "there are no records", "Make them: odtool prepare SOURCE")]
    return [Finding("ok", subject, summary), *problems]


def _check_model(run: Run) -> Finding:
    from odtool.pipeline.checks.finding import Finding
    from odtool.pipeline.checks.restored_weights import check_restored_weights

    try:  # on the CPU: a GPU that another run fills is not needed for this
        report = engine_process.ask(CheckTask(run=run), environment=devices.CPU.environment)
    except OdtoolError as error:
        return Finding("error", "model", error.message, error.hint)
    return check_restored_weights(report, max(run.checkpoints(), default=None))
