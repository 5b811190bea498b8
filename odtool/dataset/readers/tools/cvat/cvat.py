"""CVAT XML 1.1, for images and for video: where its images and frames lie, and what is in each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import parsing
from odtool.dataset.readers.common.lookup import Places, find_image, placed
from odtool.dataset.readers.common.source_folders import Folder, nearest_first, walk
from odtool.dataset.readers.tools.cvat import cvat_document
from odtool.dataset.readers.tools.cvat.cvat_document import CvatImage, Task, Track
from odtool.dataset.splits import split_of_name
from odtool.dataset.types import AnnotatedImage, Finding, Problem, Source

_SAMPLES = 20
"""XML files a folder that are looked into."""
_ROOT = re.compile(rb"<annotations[\s>]")
_CONTENT = re.compile(rb"<(?:meta|image|track)[\s>]")
_FRAME = re.compile(r"(\d{1,10})$")


@dataclass
class _Video:
    """The tracks of one task."""

    task: Task
    tracks: list[Track] = field(default_factory=list)

    @property
    def frames(self) -> tuple[int, int]:
        """First and last frame, of the task or else of its tracks."""
        ends = [frame for track in self.tracks for frame in (*track.frames[:1], *track.frames[-1:])]
        return self.task.frames or (min(ends, default=0), max(ends, default=0))


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as CVAT's XML, or None."""
    if path.is_file():
        return f"{path.name} has <annotations> with images or tracks" if _looks_like(path) else None
    for folder in walk(path):
        for file in folder.ending(".xml")[:_SAMPLES]:
            if _looks_like(file):
                return f"{file} has <annotations> with images or tracks"
    return None


def _looks_like(path: Path) -> bool:
    if path.suffix.lower() != ".xml":
        return False
    text = parsing.ends(path)
    return bool(_ROOT.search(text)) and bool(_CONTENT.search(text))


def read(source: Source) -> Iterator[Finding]:
    """Every image of the XML files, and every frame of their videos that is there or has an object."""
    folders = list(walk(source.root))
    if source.path.is_file():
        files = [source.path]
    else:
        files = [file for folder in folders for file in folder.ending(".xml") if _looks_like(file)]
    searched = list(walk(source.images)) if source.images else folders
    with_images = [folder for folder in searched if folder.ending(*EXTENSIONS)]
    for file in files:
        yield from _of_file(file, source, with_images)


def _of_file(file: Path, source: Source, with_images: Sequence[Folder]) -> Iterator[Finding]:
    tasks: dict[str, Task] = {}
    videos: dict[str, _Video] = {}
    places: dict[str, Places] = {}  # where the images of a subset lie
    with open(file, "rb") as stream:
        for item in cvat_document.parse(stream, file, with_outlines=source.masks):
            if isinstance(item, Task):
                tasks[item.id] = item
                continue
            for kind, detail in item.problems:
                yield Problem(kind, file, detail)
            if isinstance(item, CvatImage):
                subset = item.subset or (next(iter(tasks.values())).subset if len(tasks) == 1 else "")
                if subset not in places:
                    places[subset] = _places(file, subset, source, with_images)
                yield from _of_image(item, file, subset, places[subset], source)
                continue
            alone = next(iter(tasks.values())) if len(tasks) == 1 else Task("", "", "", None)
            video = videos.setdefault(item.task, _Video(tasks.get(item.task, alone)))
            if item.frames:
                video.tracks.append(item)
    for video in videos.values():
        yield from _of_video(video, file, with_images, source)


def _of_image(
    image: CvatImage, file: Path, subset: str, places: Places, source: Source
) -> Iterator[AnnotatedImage | Problem]:
    found = find_image(image.name, places, within=source.root)
    if found.outside:
        yield Problem("path_outside", file, f"'{image.name}' leads outside {source.root}")
    split = split_of_name(subset) or split_of_name(file.stem)
    yield AnnotatedImage(found.path, file, image.objects, split=split, declared_size=image.size, match=found.match)


def _places(file: Path, subset: str, source: Source, with_images: Sequence[Folder]) -> Places:
    """The subset's own folder, where it has one, as images of different subsets may have the same name."""
    base = source.images or file.parent
    there = nearest_first([folder.path for folder in with_images], file.parent, source)
    own = [folder for folder in there if subset and folder.name == subset]
    # The subset comes from the document, so only folders that were met may be made of it.
    near = [] if source.images else [base / "images", base, file.parent.parent / "images"]
    known = [place for place in near if place in there or place.is_dir()]
    return placed(own or known, [*known, *there, base], file.parent, source, split=split_of_name(subset))


def _of_video(video: _Video, file: Path, with_images: Sequence[Folder], source: Source) -> Iterator[Finding]:
    first, last = video.frames
    stored = _frames(video.task, with_images)
    shown = {frame for track in video.tracks for frame in track.shown()}
    there = {frame for frame in stored if first <= frame <= last}
    split = split_of_name(video.task.subset) or split_of_name(file.stem)
    waiting = sorted(video.tracks, key=lambda track: -track.frames[0])
    active: list[Track] = []
    for frame in sorted(shown | there):
        while waiting and waiting[-1].frames[0] <= frame:
            active.append(waiting.pop())
        active = [track for track in active if track.frames[-1] >= frame]
        objects = tuple(found for track in active if (found := track.at(frame)))
        expected = (source.images or file.parent / "images") / f"frame_{frame:06d}.png"
        yield AnnotatedImage(stored.get(frame, expected), file, objects, split=split)


def _frames(task: Task, with_images: Sequence[Folder]) -> dict[int, Path]:
    """Image files by frame number: CVAT's frame_000010.png, else names that end with the number."""
    own = [folder for folder in with_images if folder.path.name in (task.name, task.subset)]
    return _numbered(own) or _numbered(with_images)


def _numbered(folders: Sequence[Folder]) -> dict[int, Path]:
    found: dict[int, Path] = {}
    other: dict[int, Path] = {}
    for folder in folders:
        for path in folder.ending(*EXTENSIONS):
            if match := _FRAME.search(path.stem):
                kind = found if path.stem.lower().startswith("frame_") else other
                kind.setdefault(int(match[1]), path)
    return found or other
