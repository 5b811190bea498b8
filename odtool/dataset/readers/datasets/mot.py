"""MOTChallenge: gt/gt.txt of a sequence, each line a frame, a track, a box, whether it counts, a class and visibility.

Boxes are left, top, width and height. Where the seventh number is 0 the box is not to be used (MOT16, arXiv:1603.00831,
table 5). Detections (det.txt) are no annotations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from odtool.dataset.dialects import make_box
from odtool.dataset.readers.common import faults, parsing, rows
from odtool.dataset.readers.common.annotation_files import find_annotation_files, find_evidence
from odtool.dataset.readers.common.faults import Skipping
from odtool.dataset.readers.common.source_folders import find_split
from odtool.dataset.readers.common.texts import frames
from odtool.dataset.types import AnnotatedImage, Finding, ObjectAnnotation, Problem, Source

CLASSES = (
    "pedestrian", "person on vehicle", "car", "bicycle", "motorbike", "non motorized vehicle", "static person",
    "distractor", "occluder", "occluder on the ground", "occluder full", "reflection",
)  # fmt: skip
"""From number 1, where no labels.txt beside gt.txt says otherwise."""
_FEWEST, _MOST = 7, 10
_IMAGES = re.compile(r"^\s*imDir\s*=\s*(\S+)\s*$", re.MULTILINE | re.IGNORECASE)


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as MOTChallenge's, or None."""
    return find_evidence(path, "gt.txt", _looks_like, "has frames, tracks and boxes of MOTChallenge")


def _looks_like(path: Path) -> bool:
    if path.name.lower() != "gt.txt":
        return False
    lines = [line for line in rows.read_opening(path) if line.strip()]
    return bool(rows.parse_most(lines, _parse_fields))


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
    objects, problems = parse(parsing.read_bytes(path), path, names)
    yield from faults.take(problems, path)
    folder = _find_images(path, source)
    split = find_split(path.parent, source.root)
    yield from frames.describe_frames(path, objects, frames.list_images(folder), folder, split)


def _find_images(path: Path, source: Source) -> Path:
    """img1 beside gt, or what seqinfo.ini names; below --images, a folder with the sequence's name, or that itself."""
    sequence = path.parent.parent
    info = sequence / "seqinfo.ini"
    match = _IMAGES.search(parsing.decode_text(parsing.read_bytes(info), info)) if info.is_file() else None
    name = Path(match[1]).name if match else "img1"
    if source.images is None:
        return sequence / name
    places = (source.images / sequence.name / name, source.images / sequence.name, source.images / name)
    return next((place for place in places if place.is_dir()), source.images)


def parse(
    data: bytes, path: Path, names: Mapping[int, str]
) -> tuple[dict[int, list[ObjectAnnotation]], list[tuple[str, str]]]:
    """The objects by frame, and the problems (kind and detail); `names` are the classes from 0."""
    objects: dict[int, list[ObjectAnnotation]] = {}
    problems: list[tuple[str, str]] = []
    for number, line in enumerate(parsing.decode_text(data, path).splitlines(), start=1):
        if not line.strip():
            continue
        with Skipping(problems):
            fields = _parse_fields(line)
            if fields is None:
                what = f"not a MOTChallenge line (frame,track,left,top,width,height,counts,class,...): '{line[:60]}'"
                raise parsing.line_error(path, number, what)
            shown = objects.setdefault(int(fields[0]), [])
            label = _name_class(fields, names, path, number)
            if fields[6] == 0:
                problems.append(("object_ignored", f"line {number}: {label}"))
            else:
                shown.append(ObjectAnnotation(label, make_box(fields[2:6], "xywh")))
    return objects, problems


def _name_class(fields: list[float], names: Mapping[int, str], path: Path, line: int) -> str:
    """Sequences of 2015 have world coordinates in place of classes, -1 mostly: pedestrians alone are in them."""
    number = fields[7] if len(fields) in (8, 9) else -1
    if number == -1:
        return CLASSES[0]
    label = names.get(int(number) - 1) if number == number // 1 else None
    if not label:
        raise faults.undefined_class(path, f"class {number:g} has no name", line=line)
    return label
