"""What prepare and inspect are both asked: which annotations, as which format, and how closely they are looked at."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from odtool.api.requests import RequestError, StrPath
from odtool.errors import DataError

if TYPE_CHECKING:
    from odtool.dataset.classes import ClassChoice
    from odtool.dataset.dialects import Reading
    from odtool.dataset.readers.format_choice import FormatChoice
    from odtool.dataset.statistics import ClassChange
    from odtool.dataset.survey.conventions.annotated_size import Basis
    from odtool.dataset.survey.image_checks import Rules
    from odtool.dataset.types import Source

__all__ = [
    "VERIFY",
    "ClassChange",
    "Columns",
    "FormatChoice",
    "Names",
    "Renaming",
    "Sources",
    "choose_annotated_size",
    "choose_classes",
    "choose_coordinates",
    "choose_rules",
    "find_sources",
    "parse_columns",
]

VERIFY = ("header", "full")

Sources: TypeAlias = StrPath | Sequence[StrPath]
"""One folder or file with annotations, or several."""
Columns: TypeAlias = str | Mapping[str, str]
"""Columns of a CSV by what they hold, or a text such as "file=image_id,class=label,xywh=bbox"."""
Names: TypeAlias = str | Sequence[str]
"""Names of classes; a text may hold several, with commas between them."""
Renaming: TypeAlias = Mapping[str, str] | Sequence[str]
"""New names by old ones, or texts such as "old=new"."""


def parse_columns(columns: Columns) -> tuple[tuple[str, str], ...]:
    """Roles and columns of a CSV; none where none are named.

    Raises:
        RequestError: they do not name an image and a box.
    """
    from odtool.dataset.readers.tables.any_csv.columns import parse_columns

    try:
        return parse_columns(columns) if columns else ()
    except ValueError as error:
        raise RequestError("columns", str(error)) from None


def find_sources(
    sources: Sources, images: StrPath | None, workspace: Path, columns: Columns = ""
) -> tuple[Source, ...]:
    """What the user named, or the workspace where nothing is named.

    Raises:
        DataError: the folder of the images does not exist.
    """
    from odtool.dataset.types import Source

    folder = None if images is None else Path(images)
    if folder is not None and not folder.is_dir():
        raise DataError(f"{images}: no such folder", "Give --images the folder where the images lie.")
    folder = folder.resolve() if folder else None
    named = [Path(source) for source in ([sources] if isinstance(sources, (str, os.PathLike)) else sources)]
    # Images are compared with their source by spelling; a '..' in it would be spelt otherwise in theirs.
    paths = [path.resolve() if ".." in path.parts else path.absolute() for path in named] or [workspace]
    if len(paths) == 1:
        return (Source(paths[0], folder, columns=parse_columns(columns)),)
    return tuple(
        Source(path, folder, prefix, columns=parse_columns(columns))
        for path, prefix in zip(paths, _prefixes(paths), strict=True)
    )


def _prefixes(paths: Sequence[Path]) -> list[str]:
    """What tells the sources' images apart: the same in whatever order they are named, as splits go by it."""
    ranked = sorted(range(len(paths)), key=lambda place: paths[place])
    prefixes = [""] * len(paths)
    for number, place in enumerate(ranked, start=1):
        stem = paths[place].stem
        alone = [path.stem for path in paths].count(stem) == 1
        prefixes[place] = f"{stem}/" if alone else f"{number}-{stem}/"
    return prefixes


def choose_rules(verify: str, *, fix_images: bool, min_box: float) -> Rules:
    """How closely images are looked at."""
    from odtool.dataset.survey.image_checks import Rules

    return Rules(full=verify == "full", fix_images=fix_images, min_box=min_box)


def choose_coordinates(coordinates: str | None) -> Reading | None:
    """What the four numbers of a box are. Raises RequestError where the text names nothing."""
    from odtool.dataset.dialects import parse_reading

    try:
        return parse_reading(coordinates) if coordinates is not None else None
    except ValueError as error:
        raise RequestError("coordinates", str(error)) from None


def choose_annotated_size(name: str | None) -> Basis | None:
    """Whose pixels boxes are in. Raises RequestError where the text names neither."""
    bases: dict[str, Basis] = {"file": "file", "annotation": "annotation"}
    if name is not None and name not in bases:
        raise RequestError("annotated_size", f"'{name}' is neither file nor annotation")
    return bases[name] if name is not None else None


def choose_classes(rename: Renaming, only: Names, drop: Names) -> ClassChoice:
    """What is done to classes.

    Raises:
        DataError: a class is given two names, or is to be both kept and dropped.
    """
    from odtool.dataset.classes import parse_class_options

    renamings = [f"{old}={new}" for old, new in rename.items()] if isinstance(rename, Mapping) else rename
    return parse_class_options(renamings, *([names] if isinstance(names, str) else names for names in (only, drop)))
