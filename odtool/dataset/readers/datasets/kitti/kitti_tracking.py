"""KITTI's tracking benchmark: one text file a sequence, with a frame and a track before the fields of detection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import parsing, rows
from odtool.dataset.readers.common.source_folders import split_within, walk
from odtool.dataset.readers.datasets.kitti.kitti_line import fields_of, object_of
from odtool.dataset.types import AnnotatedImage, ObjectAnnotation, Problem, Source


def is_sequence(path: Path) -> bool:
    line = next((line for line in rows.opening(path) if line.strip()), "")
    return parse_frame(line) is not None


def of_sequence(path: Path, source: Source) -> Iterator[AnnotatedImage | Problem]:
    """The frames of one sequence: image_02/0000/000000.png beside label_02/0000.txt."""
    frames, problems = parse(parsing.read_bytes(path), path)
    for kind, detail in problems:
        yield Problem(kind, path, detail)
    root = source.images or source.root
    beside = path.parent.name.replace("label", "image")
    folders = [folder for folder in walk(root) if folder.path.name == path.stem and folder.ending(*EXTENSIONS)]
    folders.sort(key=lambda folder: folder.path.parent.name != beside)
    stored = folders[0].ending(*EXTENSIONS) if folders else []
    images = {int(image.stem): image for image in stored if image.stem.isdecimal()}
    expected = path.parent.parent / beside / path.stem
    split = split_within(path.parent, source.root)
    for frame in sorted(images.keys() | frames.keys()):
        image = images.get(frame, expected / f"{frame:06d}.png")
        yield AnnotatedImage(image, path, tuple(frames.get(frame, ())), split=split)


def without_labels(files: Sequence[Path], source: Source) -> Iterator[Problem]:
    """Sequences of images that none of the label files is named for."""
    named = {file.stem for file in files}
    for folder in walk(source.images or source.root):
        if (images := folder.ending(*EXTENSIONS)) and folder.path.name not in named:
            yield Problem("file_skipped", folder.path, f"{len(images)} images, none with an annotation file")


def parse(data: bytes, path: Path) -> tuple[dict[int, list[ObjectAnnotation]], list[tuple[str, str]]]:
    """The objects of each frame of a tracking file, and the problems (kind and detail).

    The fields are those of readme.txt in KITTI's tracking development kit.

    Raises:
        DataError: a line has not a frame, a track, a class and 14 or 15 numbers.
    """
    frames: dict[int, list[ObjectAnnotation]] = {}
    problems = []
    for number, line in enumerate(parsing.text_of(data, path).splitlines(), start=1):
        if not line.strip():
            continue
        found = parse_frame(line)
        if found is None:
            what = f"not a frame, a track, a class and 14 or 15 numbers, as KITTI has it: '{line[:60]}'"
            raise parsing.broken(path, number, what)
        objects = frames.setdefault(found[0], [])
        if found[1] is None:
            problems.append(("object_ignored", f"line {number}: DontCare"))
        else:
            objects.append(found[1])
    return frames, problems


def parse_frame(line: str) -> tuple[int, ObjectAnnotation | None] | None:
    """The frame of a line of a tracking file and its object, None for DontCare; None where it is no such line."""
    words = line.split(maxsplit=2)
    if len(words) < 3 or not words[0].isdecimal() or not words[1].removeprefix("-").isdecimal() or len(words[0]) > 9:
        return None
    fields = fields_of(words[2])
    return (int(words[0]), object_of(*fields)) if fields else None
