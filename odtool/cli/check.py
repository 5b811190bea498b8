"""odtool check: everything that can be known to go wrong, before an hour is spent on it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odtool.cli import asking, console, job
from odtool.cli.console import DebugOption, JsonOption, WorkspaceOption
from odtool.errors import OdtoolError
from odtool.jobs import devices
from odtool.workspace import Run

if TYPE_CHECKING:
    from rich.console import Console

    from odtool.dataset.records.record_check import RecordReport
    from odtool.pipeline.checks.finding import Finding
    from odtool.pipeline.text.facts import ConfigFacts

_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


def check(
    run: job.RunArgument = None,
    sample: Annotated[int, typer.Option(min=1, help="Records of each set to decode and look at closely.")] = 300,
    every_record: Annotated[bool, typer.Option("--all", help="Look at every record.")] = False,
    gpu: Annotated[
        str | None, typer.Option(help="GPUs that are to share a batch, as for odtool train; the first by default.")
    ] = None,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Look at a run before it is trained: config, records, label map, classes, checkpoint and model.

    Builds the real model to say how many of its variables the checkpoint fills. Exit code 1 where training would fail.

    Example: `odtool check --all`
    """
    del debug  # handled when it is parsed
    found = console.workspace(workspace).find_run(run)
    choice = devices.choose(devices.find_gpus(), gpu)
    findings = examine(found, replicas=choice.count, sample=None if every_record else sample)
    counts = {level: sum(finding.level == level for finding in findings) for level in _COLOURS}
    payload = {"run": found.name, "path": str(found.pipeline_config), **counts}
    payload["findings"] = [asdict(finding) for finding in findings]
    console.show(payload, as_json=as_json, render=lambda screen: _render(findings, found, screen))
    if counts["error"]:
        raise typer.Exit(1)


def examine(run: Run, *, replicas: int, sample: int | None) -> list[Finding]:
    """Everything that `odtool check` finds."""
    from odtool.pipeline.checks.check_list import list_findings
    from odtool.pipeline.text.facts import read_facts

    facts = read_facts(run.pipeline_config, devices=replicas)
    found = list_findings(facts)
    with console.stderr.status("reading records …"):
        found += _of_records(facts, sample)
    with console.stderr.status("loading TensorFlow and building the model …"):
        found.append(_of_model(run))
    return found


def _of_records(facts: ConfigFacts, sample: int | None) -> list[Finding]:
    from odtool.dataset import label_map
    from odtool.dataset.records import record_check
    from odtool.pipeline.checks import annotations
    from odtool.pipeline.checks.classes import check_evaluation_classes

    try:
        classes = label_map.read(facts.readers[0].label_map or Path())
    except OdtoolError:  # said already, of the config
        return []
    found: list[Finding] = []
    reports: list[RecordReport] = []
    for number, reader in enumerate(facts.readers):
        name = "train" if number == 0 else "eval" if number == 1 else f"eval {number}"
        if reader.files:
            reports.append(record_check.check_records(reader.files, classes, sample=sample))
            found += _of_set(name, reports[-1])
            found += annotations.check_read_annotations(facts, name, reports[-1].held)
            if number == 1:
                names = [item.name for item in classes]
                seen = reports[-1].classes
                found.append(check_evaluation_classes(names, seen, complete=reports[-1].complete))
    if reports:
        found.append(annotations.check_crowding(facts, max(report.most_objects for report in reports)))
    return found


def _of_set(name: str, report: RecordReport) -> list[Finding]:
    from odtool.pipeline.checks.finding import Finding

    subject = f"{name} data"
    examined = "all" if report.complete else f"{report.examined:,}"
    files = "1 file" if report.files == 1 else f"{report.files:,} files"
    told = f"{report.records:,} records in {files}; {examined} looked at: {report.objects:,} objects"
    found = []
    for kind, fault in sorted(report.faults.items()):
        times = f"{kind}, {fault.count:,} of them, the first: " if fault.count > 1 else f"{kind}: "
        hint = "Prepare the data anew with odtool prepare, which mends or leaves out such things and says so."
        found.append(Finding("error" if fault.level == "error" else "warning", subject, times + fault.first, hint))
    if not report.records:
        return [*found, Finding("error", subject, "there is not one record", "Make them: odtool prepare SOURCE")]
    return [Finding("ok", subject, told), *found]


def _of_model(run: Run) -> Finding:
    from odtool.pipeline.checks.finding import Finding
    from odtool.pipeline.checks.restored_weights import check_restored_weights

    cpu = devices.choose(devices.Inventory(()), "cpu")  # a GPU that another run fills is not needed for this
    try:
        report: dict[str, Any] = asking.ask("check", run, environment=cpu.environment)
    except OdtoolError as error:
        return Finding("error", "model", error.message, error.hint)
    return check_restored_weights(report, max(run.checkpoints(), default=None))


def _render(findings: list[Finding], run: Run, screen: Console) -> None:
    for finding in findings:
        screen.print(f"{finding.level:8}", style=_COLOURS[finding.level], end="")
        screen.print(f"{finding.subject}: {finding.message}", markup=False)
        if finding.hint:
            screen.print(f"        hint: {finding.hint}", style="dim", markup=False)
    errors = sum(finding.level == "error" for finding in findings)
    if errors:
        screen.print(f"training {run.name} would fail or learn what is false: errors: {errors}", markup=False)
    else:
        screen.print(f"next: odtool train {run.argument}", markup=False)
