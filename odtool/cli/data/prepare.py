"""odtool prepare: annotations to records."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odtool.api.data import prepare as api
from odtool.cli import console
from odtool.cli.data import source_options

if TYPE_CHECKING:
    from rich.console import Console

    from odtool.api.data.prepare import Prepared


def prepare(  # noqa: PLR0913, PLR0917 - a command has as many parameters as it has options
    source: source_options.SourceArgument = None,
    format_name: source_options.FormatOption = "auto",
    columns: source_options.ColumnsOption = "",
    images: source_options.ImagesOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write; data/ in the workspace by default.")] = None,
    val: Annotated[
        float, typer.Option(help="Share of images to validate on, if the data set has no such split.")
    ] = 0.1,
    test: Annotated[float, typer.Option(help="Share of images to test on, if the data set has no such split.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the random split and order.")] = 0,
    resplit: Annotated[bool, typer.Option("--resplit", help="Make a new split, ignoring the data set's own.")] = False,
    group_by: Annotated[
        str | None,
        typer.Option(metavar="folder|REGEX", help="Keep images of one folder, or with one match, in one split."),
    ] = None,
    tile: Annotated[
        int | None, typer.Option(min=32, help="Cut larger images into tiles of this side, in pixels.")
    ] = None,
    overlap: Annotated[
        int | None, typer.Option(min=0, help="Pixels that tiles share; by default a fifth of --tile.")
    ] = None,
    min_visible: Annotated[
        float | None, typer.Option(help="Share of a box that a tile must show to keep it; 0.3 by default.")
    ] = None,
    empty_tiles: Annotated[
        float | None, typer.Option(help="Share of the tiles without objects that is kept; 0.1 by default.")
    ] = None,
    masks: Annotated[bool, typer.Option("--masks", help="Write instance masks, for Mask R-CNN.")] = False,
    keypoints: Annotated[bool, typer.Option("--keypoints", help="Write keypoints, from COCO or records.")] = False,
    shards: Annotated[str, typer.Option(help="Shards per split; auto makes them about 32 MB.")] = "auto",
    label_map: source_options.LabelMapOption = None,
    rename: source_options.RenameOption = None,
    only: source_options.OnlyOption = None,
    drop: source_options.DropOption = None,
    verify: source_options.VerifyOption = source_options.Verify.header,
    fix_images: source_options.FixImagesOption = False,
    min_box: source_options.MinBoxOption = 0.0,
    coordinates: source_options.CoordinatesOption = None,
    annotated_size: source_options.AnnotatedSizeOption = None,
    workers: source_options.WorkersOption = "auto",
    beam: Annotated[
        str | None, typer.Option(metavar="OPTIONS", help="Write by Apache Beam, such as '--runner=DirectRunner'.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse if any box or image has a problem.")] = False,
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="Leave out annotations without an image.")
    ] = False,
    skip_broken: Annotated[
        bool, typer.Option("--skip-broken", help="Leave out annotation files, rows and objects that are broken.")
    ] = False,
    workspace: console.WorkspaceOption = Path(),
    as_json: console.JsonOption = False,
    debug: console.DebugOption = False,
) -> None:
    """Turn annotations into sharded TFRecords, a label map and dataset.json.

    The format is detected by looking, and what was seen is said. The folder appears whole or not at all.

    Example: `odtool prepare my_images --val 0.2`
    """
    prepared = api.prepare(
        source or (),
        format=format_name,
        columns=columns,
        images=images,
        out=out,
        val=val,
        test=test,
        seed=seed,
        resplit=resplit,
        group_by=group_by,
        tile=tile,
        overlap=overlap,
        min_visible=min_visible,
        empty_tiles=empty_tiles,
        masks=masks,
        keypoints=keypoints,
        shards=source_options.read_number(shards, "--shards"),
        label_map=label_map,
        rename=rename or (),
        only=only or (),
        drop=drop or (),
        verify=verify.value,
        fix_images=fix_images,
        min_box=min_box,
        coordinates=coordinates,
        annotated_size=annotated_size.value if annotated_size else None,
        workers=source_options.read_number(workers, "--workers"),
        beam=beam,
        strict=strict,
        skip_missing=skip_missing,
        skip_broken=skip_broken,
        workspace=workspace,
        progress=console.progress,
    )
    console.show(_payload(prepared), as_json=as_json, render=lambda screen: _render(prepared, screen))


def _payload(prepared: Prepared) -> dict[str, Any]:
    return {
        "path": str(prepared.dataset.path),
        "evidence": [f"{choice.name}: {choice.evidence}" for formats in prepared.choices for choice in formats],
        **asdict(prepared.summary),
    }


def _render(prepared: Prepared, screen: Console) -> None:
    summary = prepared.summary
    for path, formats in zip(summary.sources, prepared.choices, strict=True):
        for choice in formats:
            screen.print(source_options.describe_choice(path, choice), markup=False)
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
        screen.print(source_options.describe_change(change), markup=False)
    for kind, problem in summary.problems.items():
        first = prepared.first[kind]
        screen.print(
            f"{problem.level}: {problem.count:,} {kind}, {problem.action}; first: {first.file}: {first.detail}",
            markup=False,
        )
    if summary.problems:
        screen.print(f"Every one of them is in {prepared.dataset.problems}", markup=False)
    screen.print(f"Records in {prepared.dataset.path}. Next: odtool configure", markup=False)
