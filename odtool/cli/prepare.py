"""odtool prepare: annotations to records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odtool.cli import console, reading
from odtool.cli.console import DebugOption, JsonOption, WorkspaceOption
from odtool.cli.reading import (
    DropOption,
    FixImagesOption,
    FormatOption,
    ImagesOption,
    LabelMapOption,
    MinBoxOption,
    OnlyOption,
    RenameOption,
    SourceArgument,
    Verify,
    VerifyOption,
    WorkersOption,
)

if TYPE_CHECKING:
    from rich.console import Console

    from odtool.dataset.prepare import Prepared


def prepare(  # noqa: PLR0913, PLR0917 - a command has as many parameters as it has options
    source: SourceArgument = None,
    format_name: FormatOption = "auto",
    images: ImagesOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write; data/ in the workspace by default.")] = None,
    val: Annotated[float, typer.Option(help="Share to validate on, where the data set has no such split.")] = 0.1,
    test: Annotated[float, typer.Option(help="Share to test on, where the data set has no such split.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Decides the random split and order.")] = 0,
    resplit: Annotated[bool, typer.Option("--resplit", help="Split anew, whatever splits the data set has.")] = False,
    group_by: Annotated[
        str | None,
        typer.Option(metavar="folder|REGEX", help="Keep images of one folder, or with one match, in one split."),
    ] = None,
    shards: Annotated[str, typer.Option(help="Shards a split; auto makes them about 64 MB.")] = "auto",
    label_map: LabelMapOption = None,
    rename: RenameOption = None,
    only: OnlyOption = None,
    drop: DropOption = None,
    verify: VerifyOption = Verify.header,
    fix_images: FixImagesOption = False,
    min_box: MinBoxOption = 1.0,
    workers: WorkersOption = "auto",
    beam: Annotated[
        str | None, typer.Option(metavar="OPTIONS", help="Write by Apache Beam, such as '--runner=DirectRunner'.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse where any box or image has a problem.")] = False,
    skip_missing: Annotated[bool, typer.Option("--skip-missing", help="Leave out annotations without image.")] = False,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Turn annotations into sharded TFRecords, a label map and dataset.json.

    Pascal VOC, COCO, YOLO and the tutorials' CSV are told apart by looking. The folder appears whole or not at all.

    Example: `odtool prepare my_images --val 0.2`
    """
    del debug  # handled when it is parsed
    from odtool.dataset import prepare as flow
    from odtool.dataset.grouping import Grouping

    settings = flow.Settings(
        sources=reading.sources(source, images, workspace),
        out=out or console.workspace(workspace).data.path,
        format=format_name,
        val=val,
        test=test,
        seed=seed,
        resplit=resplit,
        grouping=Grouping(group_by) if group_by else None,
        shards=reading.number(shards, "--shards"),
        label_map=label_map,
        chosen=reading.classes(rename, only, drop),
        workers=reading.number(workers, "--workers"),
        beam=beam,
        strict=strict,
        rules=reading.rules(verify, fix_images=fix_images, min_box=min_box),
        skip_missing=skip_missing,
    )
    prepared = flow.prepare(settings, progress=console.progress)
    console.show(_payload(prepared), as_json=as_json, render=lambda screen: _render(prepared, screen))


def _payload(prepared: Prepared) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "path": str(prepared.dataset.path),
        "evidence": [f"{choice.name}: {choice.evidence}" for choice in prepared.choices],
        **asdict(prepared.summary),
    }


def _render(prepared: Prepared, screen: Console) -> None:
    summary = prepared.summary
    for path, choice in zip(summary.sources, prepared.choices, strict=True):
        screen.print(reading.evidence(path, choice), markup=False)
    splits = list(summary.splits)
    rows: list[list[Any]] = [
        ["images", *(summary.splits[name].images for name in splits)],
        ["without objects", *(summary.splits[name].background_images for name in splits)],
        ["objects", *(summary.splits[name].objects for name in splits)],
        *(
            [f"  {label}", *(summary.splits[name].classes.get(label, 0) for name in splits)]
            for label in summary.classes
        ),
        ["shards", *(summary.splits[name].shards for name in splits)],
    ]
    screen.print(console.table("", ["", *splits], rows))
    for change in summary.class_changes:
        done = f"became {change.new}" if change.new else "were left out"
        screen.print(f"{change.objects:,} objects of class {change.old} {done}", markup=False)
    for kind, problem in summary.problems.items():
        first = prepared.first[kind]
        screen.print(
            f"{problem.level}: {problem.count:,} {kind}, {problem.action}; first: {first.file}: {first.detail}",
            markup=False,
        )
    if summary.problems:
        screen.print(f"Every one of them is in {prepared.dataset.problems}", markup=False)
    screen.print(f"Records in {prepared.dataset.path}. Next: odtool configure", markup=False)
