"""The options that prepare and inspect share: what is read, as which format, and how closely."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from odtool.cli import completion

if TYPE_CHECKING:
    from odtool.api.data.sources import ClassChange, FormatChoice


class Verify(str, Enum):
    """How much of each image is read before anything is written."""

    header = "header"
    full = "full"


class AnnotatedSize(str, Enum):
    """Whose pixels boxes are in where an annotation declares another size than its image's."""

    file = "file"
    annotation = "annotation"


SourceArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="SOURCE...", help="Folders or files with annotations; without any, the workspace is searched."
    ),
]
FormatOption = Annotated[
    str,
    typer.Option(
        "--format",
        help="Format of the annotations; auto detects it.",
        metavar="NAME",
        autocompletion=completion.complete_formats,
    ),
]
ColumnsOption = Annotated[
    str,
    typer.Option(
        metavar="ROLE=COLUMN,...",
        help="Columns of a CSV: file and class, and x1,y1,x2,y2, or x,y,w,h, or cx,cy,w,h, or one column as xyxy, xywh "
        "or cxcywh; without a header, columns by number.",
    ),
]
ImagesOption = Annotated[
    Path | None, typer.Option(help="Folder of the images, if it is not found automatically.", metavar="DIR")
]
LabelMapOption = Annotated[Path | None, typer.Option(help="A label_map.pbtxt to follow.", metavar="FILE")]
VerifyOption = Annotated[Verify, typer.Option(help="Look at images' headers and ends, or decode every image in full.")]
FixImagesOption = Annotated[
    bool,
    typer.Option("--fix-images", help="Turn, flatten and convert images to upright 8-bit RGB; boxes follow."),
]
MinBoxOption = Annotated[
    float,
    typer.Option(
        min=0,
        help="Leave out boxes with a side shorter than this, in pixels; 0 keeps all that have an area.",
        metavar="PX",
    ),
]
RenameOption = Annotated[
    list[str] | None,
    typer.Option("--rename", metavar="OLD=NEW", help="Give a class another name; repeat for more."),
]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="A,B",
        help="Keep these classes, by their new names; the others' images stay.",
        autocompletion=completion.complete_classes,
    ),
]
DropOption = Annotated[
    list[str] | None,
    typer.Option(
        "--drop",
        metavar="A,B",
        help="Leave these classes out, by their new names; their images stay.",
        autocompletion=completion.complete_classes,
    ),
]
SimilarOption = Annotated[
    bool, typer.Option("--similar", help="Report images that look alike; every image is decoded for it.")
]
CoordinatesOption = Annotated[
    str | None,
    typer.Option(
        metavar="xyxy|xywh|cxcywh",
        help="What a box's numbers are, perhaps with -pixels, -fractions or -percent; by default the boxes decide.",
    ),
]
AnnotatedSizeOption = Annotated[
    AnnotatedSize | None,
    typer.Option(
        help="Whose pixels boxes are in where an annotation declares another size; by default the boxes decide."
    ),
]
WorkersOption = Annotated[str, typer.Option(help="Worker processes; auto is one per core.", metavar="N|auto")]


def read_number(text: str, option: str) -> int | None:
    """A number from 1, or None for auto."""
    if text == "auto":
        return None
    if not text.isdecimal() or not 0 < int(text) < 100_000:
        raise typer.BadParameter(f"'{text}' is neither auto nor a number from 1.", param_hint=option)
    return int(text)


def describe_change(change: ClassChange) -> str:
    """A line that says what --rename, --only or --drop did to a class."""
    return f"{change.objects:,} objects of class {change.old} " + (
        f"became {change.new}" if change.new else "were left out"
    )


def describe_choice(path: Path | str, choice: FormatChoice) -> str:
    """A line that says which format was chosen for a source, and why."""
    return f"{path}: {choice.reader.title}, as {choice.evidence}"
