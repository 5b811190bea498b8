"""Images laid end to end in a file of their own, where the one that holds them is compressed.

Nobody keeps them: prepare gives a folder within the one that it writes and removes it; for others it is a temporary
folder that goes when the process ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from odtool import temporary_folders
from odtool.dataset.types import Extent, Source


class ImageScratch:
    """One file that takes encoded images."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Whoever is given an extent may read it at once.
        self._stream = open(path, "wb", buffering=0)  # noqa: SIM115 - closed by open_scratch
        self._offset = 0

    def add(self, data: bytes, name: str) -> Extent:
        """Where the image lies from now on."""
        view = memoryview(data)
        while view:
            view = view[self._stream.write(view) :]
        extent = Extent(self._offset, len(data), name)
        self._offset += len(data)
        return extent

    def close(self) -> None:
        self._stream.close()


@contextmanager
def open_scratch(file: Path, number: int, source: Source) -> Iterator[ImageScratch]:
    """The scratch file for one file of a source; what an earlier pass over it wrote is written over."""
    folder = source.scratch or _make_temporary_folder(source.path)
    folder.mkdir(exist_ok=True)
    scratch = ImageScratch(folder / f"{source.prefix.replace('/', '-')}{number:05d}-{file.name}.images")
    try:
        yield scratch
    finally:
        scratch.close()


@cache
def _make_temporary_folder(_source: Path) -> Path:
    """One a source and process, as a command may read a source several times."""
    return temporary_folders.make_until_exit()
