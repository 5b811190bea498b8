"""Images that no annotation names: reported by folder, and not background, as nobody may have looked at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps

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
        is_complete = source.path.is_dir()
        for item in read(source):
            if isinstance(item, AnnotatedImage) and item.extent is None:
                paths.add(str(item.path))
            is_complete = is_complete and not isinstance(item, Deferred)
            yield item
        if is_complete:
            yield from _report_others(paths, source)

    return reading


def _report_others(paths: set[str], source: Source) -> Iterator[Problem]:
    for folder in walk(source.images or source.root):
        unlisted = [name for name in folder.files if name.lower().endswith(EXTENSIONS)]
        unlisted = [name for name in unlisted if f"{folder.path}/{name}" not in paths]
        if unlisted:
            detail = f"{len(unlisted)} images that no annotation names, such as {unlisted[0]}"
            yield Problem("file_skipped", folder.path, detail)
