"""CVAT XML 1.1, for images and for video: where its images and frames lie, and what is in each."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import faults
from odtool.dataset.readers.common.annotation_files import find_annotation_files, find_evidence
from odtool.dataset.readers.common.lookup import Places, find_image, find_places
from odtool.dataset.readers.common.source_folders import Folder, sort_nearest_first, walk
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.namesakes.contender import Stated
from odtool.dataset.readers.namesakes.image_paths import holds_images
from odtool.dataset.readers.tools.cvat import cvat_document
from odtool.dataset.readers.tools.cvat.cvat_document import CvatImage, Task, Track
from odtool.dataset.splits import parse_split
from odtool.dataset.types import AnnotatedImage, Finding, Problem, Source

_ROOT = re.compile(rb"<annotations[\s>]")
_CONTENT = re.compile(rb"<(?:meta|image|track)[\s>]")
_IMAGE_TAG = re.compile(r"<image\s([^>]*)>")
_FIELD = re.compile(r'(\w+)="([^"]*)"')
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
    return find_evidence(path, ".xml", _looks_like, "has <annotations> with images or tracks")


def _looks_like(path: Path) -> bool:
    if path.suffix.lower() != ".xml":
        return False
    text = input_files.read_ends(path)
    return bool(_ROOT.search(text)) and bool(_CONTENT.search(text))


def read(source: Source) -> Iterator[Finding]:
    """Every image of the XML files, and every frame of their videos that is there or has an object."""
    with_images = [folder for folder in walk(source.images or source.root) if folder.find_files(*EXTENSIONS)]
    for file in find_annotation_files(source, ".xml", _looks_like):
        yield from faults.report_broken(_read_file, file, source, with_images)


def _read_file(file: Path, source: Source, with_images: Sequence[Folder]) -> Iterator[Finding]:
    tasks: dict[str, Task] = {}
    videos: dict[str, _Video] = {}
    places: dict[str, Places] = {}  # where the images of a subset lie
    broken: list[tuple[str, str]] = []
    with open(file, "rb") as stream:
        for item in cvat_document.parse(stream, file, broken, with_outlines=source.masks):
            if isinstance(item, Task):
                tasks[item.id] = item
                continue
            for kind, detail in item.problems:
                yield Problem(kind, file, detail)
            if isinstance(item, CvatImage):
                if faults.is_nothing_left(item.objects, item.problems):
                    continue
                subset = item.subset or (next(iter(tasks.values())).subset if len(tasks) == 1 else "")
                if subset not in places:
                    places[subset] = _find_places(file, subset, source, with_images)
                    yield from places[subset].report_rivals()
                yield from _read_image(item, file, subset, places[subset], source)
                continue
            only_task = next(iter(tasks.values())) if len(tasks) == 1 else Task("", "", "", None)
            video = videos.setdefault(item.task, _Video(tasks.get(item.task, only_task)))
            if item.frames:
                video.tracks.append(item)
    yield from faults.take(broken, file)
    for video in videos.values():
        yield from _read_video(video, file, with_images, source)


def _read_image(
    image: CvatImage, file: Path, subset: str, places: Places, source: Source
) -> Iterator[AnnotatedImage | Problem]:
    match = find_image(image.name, places, within=source.root)
    if match.outside:
        yield Problem("path_outside", file, f"'{image.name}' leads outside {source.root}")
    split = parse_split(subset) or parse_split(file.stem)
    yield AnnotatedImage(match.path, file, image.objects, split=split, declared_size=image.size, match=match.match)


def _find_places(file: Path, subset: str, source: Source, with_images: Sequence[Folder]) -> Places:
    """The subset's own folder, where it has one, as images of different subsets may have the same name."""
    base = source.images or file.parent
    sorted_folders = sort_nearest_first([folder.path for folder in with_images], file.parent, source)
    subset_folders = [folder for folder in sorted_folders if subset and folder.name == subset]
    # The subset comes from the document, so only folders that were met may be made of it.
    near = [] if source.images else [base / "images", base, file.parent.parent / "images"]
    near_folders = [place for place in near if place in sorted_folders or place.is_dir()]
    near_folders = subset_folders or near_folders
    stated = {} if any(map(holds_images, near_folders)) else dict(_sample_images(file))
    return find_places(
        near_folders,
        [*near_folders, *sorted_folders, base],
        file.parent,
        source,
        split=parse_split(subset),
        names=list(stated) or None,
        state=stated.__getitem__,
    )


def _sample_images(file: Path) -> Iterator[tuple[str, Stated]]:
    """Images that a file names at its beginning and end, with the sizes that it states."""
    for tag in _IMAGE_TAG.findall(input_files.read_ends(file).decode("utf-8", "replace")):
        fields = {name: html.unescape(value) for name, value in _FIELD.findall(tag)}
        if fields.get("name"):
            yield fields["name"], Stated(cvat_document.parse_size(fields.get("width", ""), fields.get("height", "")))


def _read_video(video: _Video, file: Path, with_images: Sequence[Folder], source: Source) -> Iterator[Finding]:
    first, last = video.frames
    stored = _find_frames(video.task, with_images)
    annotated = {frame for track in video.tracks for frame in track.find_shown_frames()}
    available = {frame for frame in stored if first <= frame <= last}
    split = parse_split(video.task.subset) or parse_split(file.stem)
    final = max(available, default=first)
    for track in video.tracks:
        if track.is_open and track.frames[-1] < final:
            ending = f"after frame {track.frames[-1]}; the last image is of frame {final}"
            yield Problem("track_open", file, f"track of '{track.label}' at line {track.line} has no keyframe {ending}")
    pending = sorted(video.tracks, key=lambda track: -track.frames[0])
    active: list[Track] = []
    for frame in sorted(annotated | available):
        while pending and pending[-1].frames[0] <= frame:
            active.append(pending.pop())
        active = [track for track in active if track.is_open or track.frames[-1] >= frame]
        objects = tuple(annotation for track in active if (annotation := track.interpolate(frame)))
        expected_path = (source.images or file.parent / "images") / f"frame_{frame:06d}.png"
        yield AnnotatedImage(stored.get(frame, expected_path), file, objects, split=split)


def _find_frames(task: Task, with_images: Sequence[Folder]) -> dict[int, Path]:
    """Image files by frame number: CVAT's frame_000010.png, else names that end with the number."""
    task_folders = [folder for folder in with_images if folder.path.name in (task.name, task.subset)]
    return _index_frames(task_folders) or _index_frames(with_images)


def _index_frames(folders: Sequence[Folder]) -> dict[int, Path]:
    cvat_frames: dict[int, Path] = {}
    other_frames: dict[int, Path] = {}
    for folder in folders:
        for path in folder.find_files(*EXTENSIONS):
            if match := _FRAME.search(path.stem):
                frames = cvat_frames if path.stem.lower().startswith("frame_") else other_frames
                frames.setdefault(int(match[1]), path)
    return cvat_frames or other_frames
