"""Images and videos to look at: files, folders and patterns, each with a name that no other of them has."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Literal

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common.source_folders import walk
from odtool.detection.streams import stream_sources
from odtool.detection.streams.stream_sources import StreamSource
from odtool.errors import DataError

_ALONE = "Look at each camera or stream with an odtool predict of its own, and another --out."
VIDEO_EXTENSIONS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp")
"""Lower-case endings of the files that are looked for as videos."""


@dataclass(frozen=True, slots=True)
class Medium:
    """An image or a video."""

    path: Path
    name: PurePath
    """Relative to the folder that all sources lie in."""
    kind: Literal["image", "video", "stream"]
    number: int = 0
    """Its place among all that there is to see, from 0."""
    block: int = 0
    """Media of one block are looked at on one machine, and share batches with no others: a video, or images in a row.
    What a model says of an image depends, in its last digits, on the batch, and so not on how many machines work."""
    stream: StreamSource | None = None
    """The camera or address that it is in place of a file, where `path` is only its name."""

    @property
    def location(self) -> str:
        """For people and files."""
        return self.stream.shown if self.stream else str(self.path)


@dataclass(frozen=True)
class _Place:
    """What one SOURCE stands for."""

    folder: Path | None
    files: tuple[Path, ...] = ()
    stream: StreamSource | None = None

    @property
    def root(self) -> Path | None:
        if self.stream:
            return None
        return self.folder or Path(os.path.commonpath([file.parent for file in self.files]))

    def each(self) -> Iterator[Path]:
        yield from self.files
        if self.folder is not None:
            for folder in walk(self.folder):
                yield from folder.iterate_files(*EXTENSIONS, *VIDEO_EXTENSIONS)


@dataclass(frozen=True)
class Sources:
    """Everything that is to be looked at."""

    places: tuple[_Place, ...]

    def media(self, batch: int = 1) -> Iterator[Medium]:
        """Each file once, though several sources may hold it, in a fixed order; folders are listed as they come.

        Args:
            batch: images of a block.
        """
        block = images = 0
        for number, medium in enumerate(self._list_media()):
            alone = medium.kind != "image"
            if alone or images == batch:
                block, images = block + (images > 0), 0
            yield replace(medium, number=number, block=block)
            images += 1
            if alone:
                block, images = block + 1, 0

    def _list_media(self) -> Iterator[Medium]:
        roots = [place.root for place in self.places if place.root]
        root = Path(os.path.commonpath(roots)) if roots else Path()
        folders: list[Path] = []
        visited: set[Path] = set()
        for place in self.places:
            if stream := place.stream:
                yield Medium(Path(stream.name), stream.name, "image" if stream.is_image else "stream", stream=stream)
                continue
            for path in place.each():
                if path in visited or any(path.is_relative_to(folder) for folder in folders):
                    continue
                if place.folder is None:
                    visited.add(path)
                yield Medium(path, path.relative_to(root), "video" if _is_video(path) else "image")
            if place.folder is not None:
                folders.append(place.folder)


def list_endings() -> list[str]:
    """Of images and videos, without the dot."""
    return [ending.removeprefix(".") for ending in (*EXTENSIONS, *VIDEO_EXTENSIONS)]


def find(sources: Sequence[str | Path]) -> Sources:
    """Looks for what is named. A file that is named itself is taken for an image unless it ends like a video.

    Raises:
        DataError: something is not there, or a pattern fits no image or video.
    """
    places = tuple(_make_place(str(source)) for source in sources)
    if len(places) > 1 and (endless := [place.stream for place in places if place.stream and place.stream.is_endless]):
        raise DataError(f"{endless[0].shown}: has no end, and what comes after it would never be looked at", _ALONE)
    return Sources(places)


def _make_place(source: str) -> _Place:
    if stream := stream_sources.parse(source):
        return _Place(None, stream=stream)
    path = _make_absolute(source)
    if path.is_dir():
        return _Place(path)
    if path.exists():
        return _Place(None, (path,))
    if not glob.has_magic(source):
        raise DataError(f"{source}: no such file or folder", "Name images, videos, folders of them, or patterns.")
    fitting = sorted(glob.glob(source, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute patterns
    files = tuple(_make_absolute(name) for name in fitting if _is_medium(Path(name)))
    if not files:
        raise DataError(
            f"{source}: no image or video matches this pattern",
            f"It matches {len(fitting)} other files."
            if fitting
            else "Patterns may contain *, ?, [abc] and ** (any folders).",
        )
    return _Place(None, files)


def _make_absolute(name: str) -> Path:
    """Without `..`, so that paths can be compared, and with links as they are, whose names the user knows."""
    return Path(os.path.abspath(name))  # noqa: PTH100 - Path.absolute keeps '..', Path.resolve follows links


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_EXTENSIONS


def _is_medium(path: Path) -> bool:
    return path.suffix.lower() in (*EXTENSIONS, *VIDEO_EXTENSIONS) and path.is_file()
