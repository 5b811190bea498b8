"""KITTI: one text file an image, with class, truncation, occlusion, angle, box and 3-D box in 15 or 16 fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from odtool.dataset.readers.common import image_sets, parsing, rows
from odtool.dataset.readers.common.lookup import Places, find_beside
from odtool.dataset.readers.common.pairs import pair, without_annotation
from odtool.dataset.readers.common.source_folders import split_within, walk
from odtool.dataset.readers.datasets.kitti import kitti_tracking
from odtool.dataset.readers.datasets.kitti.kitti_line import fields_of, object_of
from odtool.dataset.types import AnnotatedImage, Deferred, Finding, ObjectAnnotation, Problem, Source

_SAMPLES = 5
"""Text files a folder that are looked into."""


@dataclass(frozen=True)
class KittiFile:
    """What one text file says."""

    objects: tuple[ObjectAnnotation, ...]
    problems: tuple[tuple[str, str], ...] = ()
    """Kind and detail of each."""


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as KITTI, or None."""
    if path.is_file():
        return f"{path.name} has KITTI's 15 fields a line" if _looks_like(path) else None
    for folder in walk(path):
        for file in folder.ending(".txt")[:_SAMPLES]:
            if _looks_like(file):
                return f"{file} has KITTI's 15 fields a line"
    return None


def _looks_like(path: Path) -> bool:
    if path.suffix.lower() != ".txt":
        return False
    line = next((line for line in rows.opening(path) if line.strip()), "")
    return fields_of(line) is not None


def read(source: Source) -> Iterator[Finding]:
    """Every label file with its image; images without one have not been annotated and are counted."""
    if source.path.is_file():
        files = [source.path]
    else:
        files = [file for folder in walk(source.root) for file in _label_files(folder.ending(".txt"))]
    sequences = [file for file in files if kitti_tracking.is_sequence(file)]
    for file in sequences:
        yield from kitti_tracking.of_sequence(file, source)
    if len(sequences) < len(files):
        of_sequences = set(sequences)
        yield from _of_images([file for file in files if file not in of_sequences], source)
    elif source.path.is_dir():
        yield from kitti_tracking.without_labels(files, source)


def _of_images(files: list[Path], source: Source) -> Iterator[Finding]:
    names = [f"image_{file.parent.name[6:]}" for file in files[:1] if file.parent.name.startswith("label_")]
    pairs = pair(files, source, [*names, "image_2", "images", "image", "data"])
    folders = list(walk(source.root)) if source.path.is_dir() else []
    # The numbers in test.txt are those of testing/, which has no labels, and stand in training/ as well.
    apart = any(folder.path.name == "testing" for folder in folders)
    sets = image_sets.found_in(folders, ("trainval", "train", "val", *(() if apart else ("test",))))
    for folder, labels in pairs.files.items():
        split = split_within(folder, source.root)
        lists = sets.of(folder, source.root) if sets else []
        for file in labels:
            if lists:
                split = next(filter(None, (found.take(file.stem) for found in lists)), None)
                if split is None:
                    yield Problem("not_in_split", file, "none of ImageSets names it")
                    continue
            yield Deferred(parse_file, (file, split, pairs.places[folder]))
    if source.path.is_dir():
        yield from without_annotation(pairs)


def _label_files(files: list[Path]) -> list[Path]:
    """All text files of a folder, or none: an empty one is an image without objects."""
    return files if any(_looks_like(file) for file in files) else []


def parse_file(path: Path, split: str | None, places: Places) -> Iterator[AnnotatedImage | Problem]:
    """One text file, its image looked for in `places`."""
    parsed = parse(parsing.read_bytes(path), path)
    for kind, detail in parsed.problems:
        yield Problem(kind, path, detail)
    found = find_beside(path, places)
    yield AnnotatedImage(found.path, path, parsed.objects, split=split, match=found.match)


def parse(data: bytes, path: Path) -> KittiFile:
    """Parses a text file's bytes; `path` is only named in errors.

    The fields are those of readme.txt in KITTI's object development kit.

    Raises:
        DataError: a line has not a class and 14 or 15 numbers.
    """
    objects = []
    problems = []
    for number, line in enumerate(parsing.text_of(data, path).splitlines(), start=1):
        if not line.strip():
            continue
        fields = fields_of(line)
        if fields is None:
            raise parsing.broken(path, number, f"not a class and 14 or 15 numbers, as KITTI has it: '{line[:60]}'")
        found = object_of(*fields)
        if found is None:
            problems.append(("object_ignored", f"line {number}: DontCare"))
        else:
            objects.append(found)
    return KittiFile(tuple(objects), tuple(problems))
