"""The annotation files of a source, by their content: which ones are of a format, and the sentence that says so."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

from odtool.dataset.readers.common.source_folders import walk
from odtool.dataset.types import Source

LooksLike = Callable[[Path], bool]
"""Looks into a file, whatever its name."""


def find_evidence(
    path: Path, suffixes: str | tuple[str, ...], looks_like: LooksLike, shows: str, *, samples: int | None = 20
) -> str | None:
    """Names the file that looks right and what it shows, as in 'a.txt has four corners and a class per line', or None.

    Args:
        path: one file, which is looked into whatever its ending, or a folder.
        suffixes: endings in lower case of the files that are looked into.
        shows: what a file shows, after its name.
        samples: files of each folder that are looked into; where there is one for each image, they are of a kind.
    """
    if path.is_file():
        return f"{path.name} {shows}" if looks_like(path) else None
    endings = (suffixes,) if isinstance(suffixes, str) else suffixes
    files = (file for folder in walk(path) for file in islice(folder.iterate_files(*endings), samples))
    file = next(filter(looks_like, files), None)
    return f"{file} {shows}" if file else None


def find_annotation_files(source: Source, suffixes: str | tuple[str, ...], looks_like: LooksLike) -> list[Path]:
    """The file that the source is, or those in the folder with one of these endings, in lower case, that look right."""
    if source.path.is_file():
        return [source.path]
    endings = (suffixes,) if isinstance(suffixes, str) else suffixes
    return [file for folder in walk(source.root) for file in folder.find_files(*endings) if looks_like(file)]
