"""Images that no annotation names: nobody may have looked at them, so they are no background, but are told of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common.source_folders import walk
from odtool.dataset.types import AnnotatedImage, Deferred, Finding, Problem, Source

Read = Callable[[Source], Iterator[Finding]]


def told(read: Read) -> Read:
    """The reader of a format that lists images, with a problem for each folder that holds others beside these.

    Nothing is said where a file is the source, as any images may lie beside it.
    """

    @wraps(read)
    def reading(source: Source) -> Iterator[Finding]:
        named: set[str] = set()
        listed = source.path.is_dir()
        for item in read(source):
            if isinstance(item, AnnotatedImage) and item.extent is None:
                named.add(str(item.path))
            listed = listed and not isinstance(item, Deferred)
            yield item
        if listed:
            yield from _beside(named, source)

    return reading


def _beside(named: set[str], source: Source) -> Iterator[Problem]:
    for folder in walk(source.images or source.root):
        others = [name for name in folder.files if name.lower().endswith(EXTENSIONS)]
        others = [name for name in others if f"{folder.path}/{name}" not in named]
        if others:
            detail = f"{len(others)} images that no annotation names, such as {others[0]}"
            yield Problem("file_skipped", folder.path, detail)
