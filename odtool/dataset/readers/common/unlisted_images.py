"""Images that no annotation names: reported by folder, and not background, as nobody may have looked at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common.source_folders import walk
from odtool.dataset.types import AnnotatedImage, Deferred, Finding, Problem, Source

Read = Callable[[Source], Iterator[Finding]]


def reporting_unlisted_images(read: Read) -> Read:
    """The reader of a format that lists images, with a problem for each folder that holds others beside these.

    Nothing is said where a file is the source, as any images may lie beside it.
    """

    @wraps(read)
    def reading(source: Source) -> Iterator[Finding]:
        paths: set[str] = set()
        reported: set[Path] = set()
        is_complete = source.path.is_dir()
        for item in read(source):
            if isinstance(item, AnnotatedImage) and item.extent is None:
                paths.add(str(item.path))
            if isinstance(item, Problem) and item.kind == "image_namesakes":
                reported.add(item.file)
            is_complete = is_complete and not isinstance(item, Deferred)
            yield item
        if is_complete:
            yield from _report_others(paths, reported, source)

    return reading


def _report_others(paths: set[str], reported: set[Path], source: Source) -> Iterator[Problem]:
    stems: set[str] | None = None
    for folder in walk(source.images or source.root):
        unlisted = [name for name in folder.files if name.lower().endswith(EXTENSIONS)]
        unlisted = [name for name in unlisted if f"{folder.path}/{name}" not in paths]
        if not unlisted or folder.path in reported:
            continue
        if stems is None:
            stems = {_get_stem(path) for path in paths}
        namesakes = [name for name in unlisted if _get_stem(name) in stems]
        others = [name for name in unlisted if _get_stem(name) not in stems]
        if others:
            detail = f"{len(others)} images that no annotation names, such as {others[0]}"
            yield Problem("file_skipped", folder.path, detail)
        if namesakes:
            detail = f"{len(namesakes)} images whose names annotations have for others, such as {namesakes[0]}"
            yield Problem("image_namesakes", folder.path, detail)


def _get_stem(path: str) -> str:
    """A photograph and its mask may differ in their endings."""
    return path.rpartition("/")[2].rpartition(".")[0]
