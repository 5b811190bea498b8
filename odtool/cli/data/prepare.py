"""odtool prepare: annotations to records."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odtool.api.data import prepare as api
from odtool.cli import common_options, console, progress_display
from odtool.cli.data import source_options

if TYPE_CHECKING:
    from rich.console import Console

    from odtool.api.data.prepare import DatasetSummary, Prepared

_MOST_REPEATED = 20
"""Classes shown with their repeat factors, the rarest first."""


def prepare(  # noqa: PLR0913, PLR0917 - a command has as many parameters as it has options
    source: source_options.SourceArgument = None,
    format_name: source_options.FormatOption = "auto",
    columns: source_options.ColumnsOption = "",
    images: source_options.ImagesOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; data/ in the workspace by default.", metavar="DIR")
    ] = None,
    val: Annotated[
        float | None,
        typer.Option(
            help="Share of images to validate on, if the data set has no such split; 0.1 by default.", metavar="SHARE"
        ),
    ] = None,
    test: Annotated[
        float, typer.Option(help="Share of images to test on, if the data set has no such split.", metavar="SHARE")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the random split and order.")] = 0,
    folds: Annotated[
        int | None,
        typer.Option(min=2, help="Write so many sets for cross-validation, fold-1 and on; --test is the same in each."),
    ] = None,
    fraction: Annotated[
        float | None,
        typer.Option(
            help="Keep this share of the training images, stratified; val and test stay whole.", metavar="SHARE"
        ),
    ] = None,
    balance: Annotated[
        float | None,
        typer.Option(
            help="Repeat training images of classes that less than this share has (LVIS's repeat factors).",
            metavar="SHARE",
        ),
    ] = None,
    resplit: Annotated[bool, typer.Option("--resplit", help="Make a new split, ignoring the data set's own.")] = False,
    group_by: Annotated[
        str | None,
        typer.Option(
            metavar="folder|similar|REGEX",
            help="Keep images of one folder, similar images, or those with one match, in one split.",
        ),
    ] = None,
    similar: source_options.SimilarOption = False,
    tile: Annotated[
        int | None, typer.Option(min=32, help="Cut larger images into tiles of this side, in pixels.", metavar="PX")
    ] = None,
    overlap: Annotated[
        int | None, typer.Option(min=0, help="Pixels that tiles share; by default a fifth of --tile.", metavar="PX")
    ] = None,
    min_visible: Annotated[
        float | None,
        typer.Option(help="Share of a box that a tile must show to keep it; 0.3 by default.", metavar="SHARE"),
    ] = None,
    empty_tiles: Annotated[
        float | None,
        typer.Option(help="Share of the tiles without objects that is kept; 0.1 by default.", metavar="SHARE"),
    ] = None,
    max_side: Annotated[
        int | None,
        typer.Option(min=32, help="Store larger images smaller, with this longest side in pixels.", metavar="PX"),
    ] = None,
    masks: Annotated[bool, typer.Option("--masks", help="Write instance masks, for Mask R-CNN.")] = False,
    keypoints: Annotated[bool, typer.Option("--keypoints", help="Write keypoints, from COCO or records.")] = False,
    shards: Annotated[
        str, typer.Option(help="Shards per split; auto makes them about 32 MB.", metavar="N|auto")
    ] = "auto",
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
        str | None, typer.Option(metavar="OPTIONS", help="Have Apache Beam do the work, such as '--runner=dask'.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse if any box or image has a problem.")] = False,
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="Leave out annotations without an image.")
    ] = False,
    skip_broken: Annotated[
        bool, typer.Option("--skip-broken", help="Leave out annotation files, rows and objects that are broken.")
    ] = False,
    workspace: common_options.WorkspaceOption = Path(),
    as_json: common_options.JsonOption = False,
    debug: common_options.DebugOption = False,
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
        folds=folds,
        fraction=fraction,
        balance=balance,
        resplit=resplit,
        group_by=group_by,
        similar=similar,
        tile=tile,
        overlap=overlap,
        min_visible=min_visible,
        empty_tiles=empty_tiles,
        max_side=max_side,
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
        progress=progress_display.progress,
    )
    console.show(_payload(prepared), as_json=as_json, render=lambda screen: _render(prepared, screen, workspace))


def _payload(prepared: Prepared) -> dict[str, Any]:
    evidence = [f"{choice.name}: {choice.evidence}" for formats in prepared.choices for choice in formats]
    sets = [{"path": str(item.dataset.path), **asdict(item.summary)} for item in prepared.sets]
    if prepared.summary.folds:
        return {"path": str(prepared.path), "evidence": evidence, "sets": sets}
    return {"evidence": evidence, **sets[0]}


def _render(prepared: Prepared, screen: Console, workspace: Path) -> None:
    summary = prepared.summary
    for path, formats in zip(summary.sources, prepared.choices, strict=True):
        for choice in formats:
            screen.print(source_options.describe_choice(path, choice), markup=False)
    for item in prepared.sets:
        title = item.dataset.path.name if summary.folds else ""
        screen.print(console.table(title, ["", *item.summary.splits], list(_count_splits(item.summary))))
        for line in _describe_training(item.summary):
            screen.print(line, markup=False)
    for change in summary.class_changes:
        screen.print(source_options.describe_change(change), markup=False)
    _render_problems(prepared, screen)
    if summary.folds:
        fold = prepared.dataset.path
        screen.print(f"{summary.folds} data sets in {prepared.path}. Next, for each of them:", markup=False)
        screen.print(f"odtool configure --data {shlex.quote(str(fold))} --run {fold.name}", markup=False)
    else:
        place = prepared.dataset.path
        # As it finds them: without --data it takes those of the workspace.
        data = "" if place.absolute() == (workspace / "data").absolute() else f" --data {shlex.quote(str(place))}"
        screen.print(f"Records in {place}. Next: odtool configure{data}", markup=False)


def _count_splits(summary: DatasetSummary) -> Iterator[list[Any]]:
    """The rows of a set's table."""
    splits = list(summary.splits.values())
    yield ["images", *(split.images for split in splits)]
    yield ["without objects", *(split.background_images for split in splits)]
    yield ["objects", *(split.objects for split in splits)]
    yield from ([f"  {label}", *(split.classes.get(label, 0) for split in splits)] for label in summary.classes)
    if summary.balance:
        yield ["repetitions", *(split.repetitions for split in splits)]
    yield ["shards", *(split.shards for split in splits)]


def _describe_training(summary: DatasetSummary) -> Iterator[str]:
    """Lines that say what --fraction left out and what --balance repeated."""
    if summary.fraction is not None:
        yield f"--fraction {summary.fraction:g}: {_count(summary.left_out, 'training image')} left out"
    if (balance := summary.balance) is None:
        return
    what = "no class is rarer, so nothing is repeated"
    if balance.classes:
        images, repetitions = (
            _count(balance.repeated_images, "training image"),
            _count(balance.repetitions, "repetition"),
        )
        what = f"{repetitions} of {images}"
    yield f"--balance {balance.threshold:g}: {what}"
    rarest = sorted(balance.classes.items(), key=lambda item: -item[1].factor)
    for label, item in rarest[:_MOST_REPEATED]:
        counts = f"{_count(item.images, 'image')}, written as {_count(item.records, 'record')}"
        yield f"  {label}: factor {item.factor:.2f}, in {counts}"
    if len(rarest) > _MOST_REPEATED:
        yield f"  and {len(rarest) - _MOST_REPEATED:,} more classes, in dataset.json"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _render_problems(prepared: Prepared, screen: Console) -> None:
    """Each kind once, from the first set that has it; folds differ in what their splits lack."""
    shown: set[str] = set()
    for item in prepared.sets:
        for kind, problem in item.summary.problems.items():
            if kind in shown:
                continue
            shown.add(kind)
            first = item.first[kind]
            where = f" in {item.dataset.path.name}" if item is not prepared.sets[0] else ""
            screen.print(
                f"{problem.level}: {problem.count:,} {kind}{where}, {problem.action}; "
                f"first: {first.file}: {first.detail}",
                markup=False,
            )
    if shown:
        lists = prepared.path / "fold-*" / "problems.csv" if prepared.summary.folds else prepared.dataset.problems
        screen.print(f"Every one of them is in {lists}", markup=False)
