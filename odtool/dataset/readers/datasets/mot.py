"""MOTChallenge: gt/gt.txt of a sequence, each line a frame, a track, a box, whether it counts, a class and visibility.

Boxes are left, top, width and height. Where the seventh number is 0 the box is not to be used (MOT16, arXiv:1603.00831,
table 5). Detections (det.txt) are no annotations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from odtool.dataset.dialects import make_box
from odtool.dataset.readers.common import faults, parsing, rows
from odtool.dataset.readers.common.annotation_files import find_annotation_files, find_evidence
from odtool.dataset.readers.common.faults import CollectedProblems, Skipping
from odtool.dataset.readers.common.source_folders import find_split
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.common.streams.overflow import LongList, ObjectGroups, Overflow, open_overflow
from odtool.dataset.readers.common.texts import frames
from odtool.dataset.types import AnnotatedImage, Finding, ObjectAnnotation, Problem, Source

CLASSES = (
    "pedestrian", "person on vehicle", "car", "bicycle", "motorbike", "non motorized vehicle", "static person",
    "distractor", "occluder", "occluder on the ground", "occluder full", "reflection",
)  # fmt: skip
"""From number 1, where no labels.txt beside gt.txt says otherwise."""
_FEWEST, _MOST = 7, 10
_IMAGES = re.compile(r"^\s*imDir\s*=\s*(\S+)\s*$", re.MULTILINE | re.IGNORECASE)


class MotSequence:
    """What one file says, of which the objects are not all in memory."""

    def __init__(self, overflow: Overflow) -> None:
        self.frames: set[int] = set()
        """Those that it names."""
        self.objects = ObjectGroups[ObjectAnnotation](overflow)
        """By frame."""
        self.problems: CollectedProblems = LongList[tuple[str, str]](overflow)
        self.broken: set[int] = set()
        """Frames of which a line is broken."""


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as MOTChallenge's, or None."""
    return find_evidence(path, "gt.txt", _looks_like, "has frames, tracks and boxes of MOTChallenge")


def _looks_like(path: Path) -> bool:
    return path.name.lower() == "gt.txt" and rows.are_mostly(path, lambda line: _parse_fields(line) is not None)


def _parse_fields(line: str) -> list[float] | None:
    """The numbers of a line; None where the first is not a frame."""
    words = [word for word in re.split(r"[,\s]+", line.strip().rstrip(",")) if word]
    if not _FEWEST <= len(words) <= _MOST or not words[0].isdecimal() or len(words[0]) > frames.MOST_DIGITS:
        return None
    try:
        return [float(word) for word in words]
    except ValueError:
        return None


def read(source: Source) -> Iterator[Finding]:
    """Every frame of every sequence."""
    for file in find_annotation_files(source, "gt.txt", _looks_like):
        yield from faults.report_broken(_read_sequence, file, source)


def _read_sequence(path: Path, source: Source) -> Iterator[AnnotatedImage | Problem]:
    labels = path.with_name("labels.txt")
    names = parsing.read_class_names(labels) if labels.is_file() else dict(enumerate(CLASSES))
    with input_files.open_binary(path) as stream, open_overflow(source.scratch) as overflow:
        sequence = parse(stream, path, names, overflow)
        yield from (Problem(kind, path, detail) for kind, detail in sequence.problems)
        folder, split = _find_images(path, source), find_split(path.parent, source.root)
        images = frames.list_images(folder)
        yield from frames.describe_frames(
            path, sequence.frames, sequence.objects, images, folder, split, broken=sequence.broken
        )


def _find_images(path: Path, source: Source) -> Path:
    """img1 beside gt, or what seqinfo.ini names; below --images, a folder with the sequence's name, or that itself."""
    sequence = path.parent.parent
    info = sequence / "seqinfo.ini"
    match = _IMAGES.search(parsing.decode_text(input_files.read_bytes(info), info)) if info.is_file() else None
    name = Path(match[1]).name if match else "img1"
    given = source.images
    places = [sequence / name, sequence / "img1"]
    if given is not None:
        places = [given / sequence.name / name, given / sequence.name, given / name, given]
    return next((place for place in places if place.is_dir()), places[0])


def parse(stream: BinaryIO, path: Path, names: Mapping[int, str], overflow: Overflow) -> MotSequence:
    """Parses a file; `path` is only named in errors, and `names` are the classes from 0."""
    sequence = MotSequence(overflow)
    for number, line in enumerate(rows.iterate_lines(stream, path), start=1):
        if line.strip():
            with Skipping(sequence.problems):
                _take_line(line, number, path, names, sequence)
    return sequence


def _take_line(line: str, number: int, path: Path, names: Mapping[int, str], sequence: MotSequence) -> None:
    fields = _parse_fields(line)
    if fields is None:
        frame = line.strip().partition(",")[0]
        sequence.broken.update([int(frame)] if frame.isdecimal() and len(frame) <= frames.MOST_DIGITS else ())
        what = f"not a MOTChallenge line (frame,track,left,top,width,height,counts,class,...): '{line[:60]}'"
        raise parsing.line_error(path, number, what)
    sequence.frames.add(int(fields[0]))
    label = _name_class(fields, names)
    if not label:
        sequence.broken.add(int(fields[0]))
        raise faults.undefined_class(path, f"class {fields[7]:g} has no name", line=number)
    if fields[6] == 0:
        sequence.problems.append(("object_ignored", f"line {number}: {label}"))
    else:
        sequence.objects.add(int(fields[0]), ObjectAnnotation(label, make_box(fields[2:6], "xywh")))


def _name_class(fields: list[float], names: Mapping[int, str]) -> str:
    """Sequences of 2015 have world coordinates in place of classes, -1 mostly: pedestrians alone are in them."""
    number = fields[7] if len(fields) in (8, 9) else -1
    if number == -1:
        return CLASSES[0]
    return names.get(int(number) - 1, "") if number == number // 1 else ""
