"""KITTI's tracking benchmark: one text file a sequence, with a frame and a track before the fields of detection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import parsing, rows
from odtool.dataset.readers.common.faults import CollectedProblems, Skipping
from odtool.dataset.readers.common.source_folders import find_split, walk
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.common.streams.overflow import LongList, ObjectGroups, Overflow, open_overflow
from odtool.dataset.readers.datasets.kitti.kitti_line import make_object, parse_fields
from odtool.dataset.types import AnnotatedImage, ObjectAnnotation, Problem, Source
from odtool.units import format_count


class KittiSequence:
    """What one file says, of which the objects are not all in memory."""

    def __init__(self, overflow: Overflow) -> None:
        self.frames: set[int] = set()
        """Those that it names."""
        self.objects = ObjectGroups[ObjectAnnotation](overflow)
        """By frame."""
        self.problems: CollectedProblems = LongList[tuple[str, str]](overflow)


def is_sequence(path: Path) -> bool:
    line = next((line for line in rows.read_opening(path) if line.strip()), "")
    return parse_frame(line) is not None


def read_sequence(path: Path, source: Source) -> Iterator[AnnotatedImage | Problem]:
    """The frames of one sequence: image_02/0000/000000.png beside label_02/0000.txt."""
    with input_files.open_binary(path) as stream, open_overflow(source.scratch) as overflow:
        sequence = parse(stream, path, overflow)
        for kind, detail in sequence.problems:
            yield Problem(kind, path, detail)
        yield from _describe_frames(path, sequence, source)


def _describe_frames(path: Path, sequence: KittiSequence, source: Source) -> Iterator[AnnotatedImage]:
    root = source.images or source.root
    beside = path.parent.name.replace("label", "image")
    folders = [folder for folder in walk(root) if folder.path.name == path.stem and folder.find_files(*EXTENSIONS)]
    folders.sort(key=lambda folder: folder.path.parent.name != beside)
    stored = folders[0].find_files(*EXTENSIONS) if folders else []
    images = {int(image.stem): image for image in stored if image.stem.isdecimal()}
    expected_folder = path.parent.parent / beside / path.stem
    split = find_split(path.parent, source.root)
    groups = chain(sequence.objects, [(-1, list[ObjectAnnotation]())])
    number, objects = next(groups)
    for frame in sorted(images.keys() | sequence.frames):
        own = tuple[ObjectAnnotation, ...]()
        if frame == number:
            own = tuple(objects)
            number, objects = next(groups)
        yield AnnotatedImage(images.get(frame, expected_folder / f"{frame:06d}.png"), path, own, split=split)


def report_unlabelled(files: Sequence[Path], source: Source) -> Iterator[Problem]:
    """Sequences of images that none of the label files is named for."""
    sequences = {file.stem for file in files}
    for folder in walk(source.images or source.root):
        if (images := folder.find_files(*EXTENSIONS)) and folder.path.name not in sequences:
            yield Problem(
                "file_skipped", folder.path, f"{format_count(len(images), 'image')}, none with an annotation file"
            )


def parse(stream: BinaryIO, path: Path, overflow: Overflow) -> KittiSequence:
    """Parses a tracking file; `path` is only named in errors.

    The fields are those of readme.txt in KITTI's tracking development kit. A line that has not a frame, a track, a
    class and 14 or 15 numbers is a problem.

    Raises:
        AnnotationError: it is not text.
    """
    sequence = KittiSequence(overflow)
    skipping = Skipping(sequence.problems)
    for number, line in enumerate(rows.iterate_lines(stream, path), start=1):
        if not line.strip():
            continue
        with skipping:
            frame = parse_frame(line)
            if frame is None:
                text = line.rstrip("\r\n")[:60]
                what = f"not a KITTI tracking line (a frame, a track, a class and 14 or 15 numbers): '{text}'"
                raise parsing.line_error(path, number, what)
            sequence.frames.add(frame[0])
            if frame[1] is None:
                sequence.problems.append(("object_ignored", f"line {number}: DontCare"))
            else:
                sequence.objects.add(frame[0], frame[1])
    return sequence


def parse_frame(line: str) -> tuple[int, ObjectAnnotation | None] | None:
    """The frame of a line of a tracking file and its object, None for DontCare; None where it is no such line."""
    words = line.split(maxsplit=2)
    if len(words) < 3 or not words[0].isdecimal() or not words[1].removeprefix("-").isdecimal() or len(words[0]) > 9:
        return None
    fields = parse_fields(words[2])
    return (int(words[0]), make_object(*fields)) if fields else None
