"""odtool inspect: what prepare would read, with figures and problems, and nothing written."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odtool.api.data import inspect as api
from odtool.cli import common_options, console, progress_display
from odtool.cli.data import source_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console

    from odtool.api.data.inspect import Figures, Inspection, ProblemKind

_MOST_CLASSES = 40
"""Rows of the table of classes; --json and --html have them all."""
_MOST_SIZES = 5


def inspect(  # noqa: PLR0913, PLR0917 - a command has as many parameters as it has options
    source: source_options.SourceArgument = None,
    format_name: source_options.FormatOption = "auto",
    columns: source_options.ColumnsOption = "",
    images: source_options.ImagesOption = None,
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
    similar: source_options.SimilarOption = False,
    balance: Annotated[
        float | None, typer.Option(help="Show the repeat factors that prepare --balance would take.", metavar="SHARE")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write one page with plots and sample images to this file.", metavar="FILE")
    ] = None,
    samples: Annotated[
        int, typer.Option(min=0, max=500, help="Images on the page: those with problems, then some of each class.")
    ] = 24,
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Seed of the choice among images without problems.")
    ] = 0,
    workspace: common_options.WorkspaceOption = Path(),
    as_json: common_options.JsonOption = False,
    debug: common_options.DebugOption = False,
) -> None:
    """Show what annotations hold and what is wrong with them, without writing records.

    Reads and checks what prepare would; prepared records can be looked at as well.

    Example: `odtool inspect my_images --html report.html`
    """
    inspected = api.inspect(
        source or (),
        format=format_name,
        columns=columns,
        images=images,
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
        similar=similar,
        balance=balance,
        html=html,
        samples=samples,
        seed=seed,
        workspace=workspace,
        progress=progress_display.progress,
    )
    console.show(_payload(inspected, html), as_json=as_json, render=lambda screen: _render(inspected, html, screen))


def _payload(inspected: Inspection, html: Path | None) -> dict[str, Any]:
    figures = asdict(inspected.figures)
    figures["image_sizes"] = [
        {"width": width, "height": height, "images": count}
        for (width, height), count in inspected.figures.image_sizes.items()
    ]
    for name in ("box_sides", "box_shares", "aspect_ratios", "objects_per_image"):
        figures[name] = figures[name]["bins"]
    problems = {
        item.kind: {
            "level": item.check.level,
            "count": item.count,
            "action": item.check.action,
            "first": [{"file": str(problem.file), "detail": problem.detail} for problem in item.examples],
        }
        for item in inspected.problems
    }
    similar = inspected.similar
    return {
        "sources": [str(source.path) for source in inspected.sources],
        "evidence": [f"{choice.name}: {choice.evidence}" for formats in inspected.choices for choice in formats],
        **figures,
        "class_changes": [asdict(change) for change in inspected.class_changes()],
        "similar": None if similar is None else {"groups": similar.groups, "images": similar.images},
        "repeat_factors": inspected.repeat_factors,
        "problems": problems,
        "html": None if html is None else str(html.absolute()),
    }


def _render(inspected: Inspection, html: Path | None, screen: Console) -> None:
    figures = inspected.figures
    for source, formats in zip(inspected.sources, inspected.choices, strict=True):
        for choice in formats:
            screen.print(source_options.describe_choice(source.path, choice), markup=False)
    screen.print()
    for title, columns, rows in (_classes(figures), _images(figures), *_splits(figures), _boxes(figures)):
        screen.print(console.table(title, columns, rows))
        screen.print()
    for change in inspected.class_changes():
        screen.print(source_options.describe_change(change), markup=False)
    for line in _describe_balance(inspected.repeat_factors):
        screen.print(line, markup=False)
    if inspected.similar is not None:
        groups = inspected.similar.groups
        found = f"{inspected.similar.images:,} images look alike, in {groups:,} group{'' if groups == 1 else 's'}"
        screen.print(found if inspected.similar.groups else "No images look alike.")
    for item in inspected.problems:
        for line in _describe_kind(item):
            screen.print(line, markup=False)
    if not inspected.problems:
        screen.print("No problems were found.")
    screen.print("Nothing was written." if html is None else f"Page in {html}", markup=False)


def _describe_balance(factors: Mapping[str, float] | None) -> Iterator[str]:
    """The classes that prepare --balance would repeat, the rarest first."""
    if factors is None:
        return
    rarest = sorted(factors.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{name} ({factor:.2f})" for name, factor in rarest[:_MOST_CLASSES])
    more = f" and {len(rarest) - _MOST_CLASSES:,} more classes" if len(rarest) > _MOST_CLASSES else ""
    yield f"Repeat factors: {shown}{more}" if rarest else "Repeat factors: no class is rarer than the threshold"


def _describe_kind(item: ProblemKind) -> Iterator[str]:
    """A line with the first of a kind of problem; of errors a line for each that is known by name."""
    named = [problem.describe() for problem in item.examples]
    what = f"{item.check.level}: {item.count:,} {item.kind}, {item.check.action}"
    if item.check.level != "error" or item.count == 1:
        yield f"{what}; first: {named[0]}"
        return
    yield f"{what}:"
    yield from (f"  {line}" for line in named)
    if item.count > len(named):
        yield f"  ... and {item.count - len(named):,} more"


_Table = tuple[str, list[str], list[list[Any]]]


def _classes(figures: Figures) -> _Table:
    splits = list(figures.splits)
    rows: list[list[Any]] = [
        [item.name, item.objects, f"{item.share:.1%}", item.images, *(item.splits.get(split, 0) for split in splits)]
        for item in figures.classes[:_MOST_CLASSES]
    ]
    title = "Classes"
    if len(figures.classes) > _MOST_CLASSES:
        title = f"Classes: the {_MOST_CLASSES} most frequent of {len(figures.classes):,}"
    return title, ["class", "objects", "share", "images", *(f"in {split}" for split in splits)], rows


def _images(figures: Figures) -> _Table:
    sizes = [f"{width}x{height} ({count:,})" for (width, height), count in figures.image_sizes.items()]
    more = f", and {len(sizes) - _MOST_SIZES:,} sizes more" if len(sizes) > _MOST_SIZES else ""
    splits = ", ".join(f"{name} {count:,}" for name, count in figures.splits.items())
    per_image = figures.objects / max(figures.images, 1)
    rows = [
        ["images", f"{figures.images:,}"],
        ["own splits", splits or "none"],
        ["without objects", f"{figures.without_objects:,}"],
        ["file formats", ", ".join(f"{name} {count:,}" for name, count in figures.formats.items())],
        ["megabytes", f"{figures.bytes / 1e6:,.1f}"],
        ["sizes", ", ".join(sizes[:_MOST_SIZES]) + more],
        ["objects an image", f"{per_image:.2f}, at most {figures.most_objects:,}"],
        ["", _in_a_line(figures.objects_per_image.bins)],
    ]
    return "Images", ["", ""], rows


def _splits(figures: Figures) -> Iterator[_Table]:
    """What is in each of the data set's own splits, where there are several."""
    if len(figures.split_figures) < 2:
        return
    parts = list(figures.split_figures.values())
    rows: list[list[Any]] = [
        ["images", *(f"{part.images:,}" for part in parts)],
        ["without objects", *(f"{part.without_objects:,}" for part in parts)],
        ["objects", *(f"{part.objects:,}" for part in parts)],
        ["objects an image", *(f"{part.objects / max(part.images, 1):.2f}" for part in parts)],
        ["small, medium, large boxes", *(f"{part.small:.0%}, {part.medium:.0%}, {part.large:.0%}" for part in parts)],
    ]
    yield "Splits", ["", *figures.split_figures], rows


def _boxes(figures: Figures) -> _Table:
    rows = [
        ["boxes", f"{figures.objects:,}"],
        ["side in pixels, from", _in_a_line(figures.box_sides.bins)],
        ["share of the image's side, from", _in_a_line(figures.box_shares.bins)],
        ["width to height", _in_a_line(figures.aspect_ratios.bins)],
    ]
    return "Boxes", ["", ""], rows


def _in_a_line(bins: dict[str, int]) -> str:
    """The bins that hold something."""
    return "  ".join(f"{name} ({count:,})" for name, count in bins.items() if count) or "none"
