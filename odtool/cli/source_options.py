"""The options that prepare and inspect share: what is read, as which format, and how closely."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from odtool.errors import DataError

if TYPE_CHECKING:
    from odtool.dataset.classes import ClassChoice
    from odtool.dataset.readers.format_choice import FormatChoice
    from odtool.dataset.statistics import ClassChange
    from odtool.dataset.survey.image_checks import Rules
    from odtool.dataset.types import Source


class Verify(str, Enum):
    """How much of each image is read before anything is written."""

    header = "header"
    full = "full"


SourceArgument = Annotated[
    list[Path] | None,
    typer.Argument(help="Folders or files with annotations; without any, the workspace is searched."),
]
FormatOption = Annotated[str, typer.Option("--format", help="Format of the annotations; auto looks.")]
ImagesOption = Annotated[Path | None, typer.Option(help="Folder of the images, where it is not found by itself.")]
LabelMapOption = Annotated[Path | None, typer.Option(help="A label_map.pbtxt to follow.")]
VerifyOption = Annotated[Verify, typer.Option(help="Look at images' headers and ends, or decode every image in full.")]
FixImagesOption = Annotated[
    bool,
    typer.Option("--fix-images", help="Turn, flatten and convert images to upright 8-bit RGB; boxes follow."),
]
MinBoxOption = Annotated[
    float,
    typer.Option(
        min=0, help="Leave out boxes with a side shorter than this, in pixels; 0 keeps all that have an area."
    ),
]
RenameOption = Annotated[
    list[str] | None,
    typer.Option("--rename", metavar="OLD=NEW", help="Give a class another name; again for each further one."),
]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="A,B", help="Keep these classes, by their new names; the others' images stay."),
]
DropOption = Annotated[
    list[str] | None,
    typer.Option("--drop", metavar="A,B", help="Leave these classes out, by their new names; their images stay."),
]
WorkersOption = Annotated[str, typer.Option(help="Worker processes; auto is one a core.")]


def rules(verify: Verify, *, fix_images: bool, min_box: float) -> Rules:
    from odtool.dataset.survey.image_checks import Rules

    return Rules(full=verify is Verify.full, fix_images=fix_images, min_box=min_box)


def classes(rename: list[str] | None, only: list[str] | None, drop: list[str] | None) -> ClassChoice:
    """What --rename, --only and --drop ask for; each may be given several times."""
    from odtool.dataset.classes import parse_class_options

    return parse_class_options(rename or (), only or (), drop or ())


def number(text: str, option: str) -> int | None:
    """A number from 1, or None for auto."""
    if text == "auto":
        return None
    if not text.isdecimal() or not 0 < int(text) < 100_000:
        raise typer.BadParameter(f"'{text}' is neither auto nor a number from 1.", param_hint=option)
    return int(text)


def sources(paths: list[Path] | None, images: Path | None, workspace: Path) -> tuple[Source, ...]:
    """What the user named, or the workspace where nothing is named."""
    from odtool.dataset.types import Source

    if images is not None and not images.is_dir():
        raise DataError(f"{images}: no such folder", "Give --images the folder where the images lie.")
    images = images.resolve() if images else None
    # Images are compared with their source by spelling; a '..' in it would be spelt otherwise in theirs.
    paths = [path.resolve() if ".." in path.parts else path.absolute() for path in paths or []] or [workspace]
    if len(paths) == 1:
        return (Source(paths[0], images),)
    return tuple(Source(path, images, prefix) for path, prefix in zip(paths, _prefixes(paths), strict=True))


def _prefixes(paths: Sequence[Path]) -> list[str]:
    """What tells the sources' images apart: the same in whatever order they are named, as splits go by it."""
    ranked = sorted(range(len(paths)), key=lambda place: paths[place])
    found = [""] * len(paths)
    for number, place in enumerate(ranked, start=1):
        stem = paths[place].stem
        alone = [path.stem for path in paths].count(stem) == 1
        found[place] = f"{stem}/" if alone else f"{number}-{stem}/"
    return found


def change(done: ClassChange) -> str:
    """A line that says what --rename, --only or --drop did to a class."""
    return f"{done.objects:,} objects of class {done.old} " + (f"became {done.new}" if done.new else "were left out")


def evidence(path: Path | str, choice: FormatChoice) -> str:
    """A line that says which format was chosen for a source, and why."""
    others = f" (looks like {', '.join(choice.others)} too: --format chooses)" if choice.others else ""
    return f"{path}: {choice.reader.title}, as {choice.evidence}{others}"
