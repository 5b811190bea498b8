"""VisDrone: a text file an image (DET) or a sequence (VID, MOT), each line a box, a score, a category, two degrees.

The fields are left, top, width, height, score, category, truncation and occlusion, for sequences after frame and target
(VisDrone2018-DET-toolkit and -MOT-toolkit, README). A score of 0 says that a box is not to be used; so does category 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from odtool.dataset.dialects import make_box
from odtool.dataset.readers.common import faults, parsing, rows
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.faults import Skipping
from odtool.dataset.readers.common.source_folders import find_split, walk
from odtool.dataset.readers.common.texts import frames
from odtool.dataset.readers.common.texts.label_texts import SAMPLES, TextLine, defer_label_files, find_label_files
from odtool.dataset.types import AnnotatedImage, Finding, ObjectAnnotation, Problem, Source

CATEGORIES = (
    "ignored regions", "pedestrian", "people", "bicycle", "car", "van", "truck", "tricycle", "awning-tricycle", "bus",
    "motor", "others",
)  # fmt: skip
"""By number."""
_FIELDS = 8
_DIGITS = 7
"""Of the names of a sequence's frames."""
_SHAPE = "left,top,width,height,score,category,truncation,occlusion"


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as VisDrone, or None."""
    return find_evidence(path, ".txt", _looks_like, f"has lines of {_SHAPE}", samples=SAMPLES)


def _looks_like(path: Path) -> bool:
    """Most of the first lines are whole numbers in their ranges."""
    return path.suffix.lower() == ".txt" and rows.are_mostly(path, lambda line: _parse_fields(line) is not None)


def _parse_fields(line: str) -> list[int] | None:
    """The whole numbers of a line, which may end with a comma; None where they cannot be VisDrone's."""
    words = [word.strip() for word in line.strip().rstrip(",").split(",")]
    if len(words) not in (_FIELDS, _FIELDS + 2) or not all(_is_whole(word) for word in words):
        return None
    numbers = [int(word) for word in words]
    score, category, truncation, occlusion = numbers[-4:]
    fits = score in (0, 1) and 0 <= category < len(CATEGORIES) and truncation in (0, 1) and occlusion in (0, 1, 2)
    return numbers if fits and (len(words) == _FIELDS or min(numbers[:2]) >= 0) else None


def _is_whole(word: str) -> bool:
    return word.removeprefix("-").isdecimal() and len(word) <= frames.MOST_DIGITS


def read(source: Source) -> Iterator[Finding]:
    """Every image with its label file, and every frame of the sequences."""
    files = find_label_files(source, _looks_like)
    sequences = {file for file in files if _is_sequence(file)}
    for file in files:
        if file in sequences:
            yield from faults.report_broken(_read_sequence, file, source)
    if len(sequences) < len(files):
        yield from defer_label_files([file for file in files if file not in sequences], source, ["images"], parse_line)


def _is_sequence(path: Path) -> bool:
    line = next((line for line in rows.read_opening(path) if line.strip()), "")
    return len(line.strip().rstrip(",").split(",")) == _FIELDS + 2


def parse_line(line: TextLine) -> ObjectAnnotation | None:
    """The object of one line; None where it is not to be used, which is told."""
    fields = _parse_fields(line.text)
    if fields is None:
        raise line.error(f"not a VisDrone line ({_SHAPE})")
    left, top, width, height, score, category, truncation, occlusion = fields[-_FIELDS:]
    if score == 0 or category == 0:
        line.report("object_ignored", CATEGORIES[category])
        return None
    box = make_box((left, top, width, height), "xywh")
    return ObjectAnnotation(CATEGORIES[category], box, truncated=truncation > 0, occluded=occlusion > 0)


def _read_sequence(path: Path, source: Source) -> Iterator[AnnotatedImage | Problem]:
    """The frames of one sequence: sequences/NAME/0000001.jpg beside annotations/NAME.txt."""
    objects: dict[int, list[ObjectAnnotation]] = {}
    problems: list[tuple[str, str]] = []
    broken = set[int]()
    for number, text in enumerate(parsing.read_lines(path), start=1):
        frame = text.partition(",")[0]
        shown = objects.setdefault(int(frame), []) if _is_whole(frame) else []
        faults_before = len(problems)
        with Skipping(problems):
            item = parse_line(TextLine(path, number, text, problems)) if text else None
            shown += [] if item is None else [item]
        if any(kind in faults.KINDS for kind, _ in problems[faults_before:]) and _is_whole(frame):
            broken.add(int(frame))
    yield from faults.take(problems, path)
    folder = _find_sequence_folder(path, source)
    images, split = frames.list_images(folder), find_split(path.parent, source.root)
    yield from frames.describe_frames(
        path, objects.keys(), sorted(objects.items()), images, folder, split, broken=broken, digits=_DIGITS
    )


def _find_sequence_folder(path: Path, source: Source) -> Path:
    """Below sequences/ beside annotations/, else any folder with the sequence's name."""
    expected = path.parent.parent / "sequences" / path.stem
    if source.images is None and expected.is_dir():
        return expected
    named = (folder.path for folder in walk(source.images or source.root) if folder.path.name == path.stem)
    return next(named, source.images or expected)
