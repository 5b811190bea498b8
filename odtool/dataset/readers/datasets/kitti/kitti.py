"""KITTI: one text file an image, with class, truncation, occlusion, angle, box and 3-D box in 15 or 16 fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from odtool.dataset.readers.common import faults, image_sets, parsing, rows
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.faults import Skipping
from odtool.dataset.readers.common.lookup import Places, find_file_image
from odtool.dataset.readers.common.pairs import pair_files, report_unannotated
from odtool.dataset.readers.common.source_folders import find_split, walk
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.datasets.kitti import kitti_tracking
from odtool.dataset.readers.datasets.kitti.kitti_line import make_object, parse_fields
from odtool.dataset.readers.datasets.yolo.yolo_layout import NAME_LISTS
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
    return find_evidence(path, ".txt", _looks_like, "has KITTI's 15 fields per line", samples=_SAMPLES)


def _looks_like(path: Path) -> bool:
    if path.suffix.lower() != ".txt":
        return False
    line = next((line for line in rows.read_opening(path) if line.strip()), "")
    return parse_fields(line) is not None


def read(source: Source) -> Iterator[Finding]:
    """Every label file with its image; images without one have not been annotated and are counted."""
    if source.path.is_file():
        files = [source.path]
    else:
        files = [file for folder in walk(source.root) for file in _select_label_files(folder.find_files(".txt"))]
    sequences = [file for file in files if kitti_tracking.is_sequence(file)]
    for file in sequences:
        yield from faults.report_broken(kitti_tracking.read_sequence, file, source)
    if len(sequences) < len(files):
        of_sequences = set(sequences)
        yield from _read_images([file for file in files if file not in of_sequences], source)
    elif source.path.is_dir():
        yield from kitti_tracking.report_unlabelled(files, source)


def _read_images(files: list[Path], source: Source) -> Iterator[Finding]:
    sibling_names = [f"image_{file.parent.name[6:]}" for file in files[:1] if file.parent.name.startswith("label_")]
    pairs = pair_files(files, source, [*sibling_names, "image_2", "images", "image", "data"])
    folders = list(walk(source.root)) if source.path.is_dir() else []
    # The numbers in test.txt are those of testing/, which has no labels, and stand in training/ as well.
    has_testing = any(folder.path.name == "testing" for folder in folders)
    sets = image_sets.find_image_sets(folders, ("trainval", "train", "val", *(() if has_testing else ("test",))))
    yield from sets.report_overlaps() if sets else ()
    for folder, labels in pairs.files.items():
        split = find_split(folder, source.root)
        lists = sets.find_lists(folder, source.root) if sets else []
        for file in labels:
            if lists:
                split = next(filter(None, (names.take(file.stem) for names in lists)), None)
                if split is None:
                    yield Problem("not_in_split", file, "no list in ImageSets names it")
                    continue
            yield Deferred(parse_file, (file, split, pairs.places[folder]))
    if source.path.is_dir():
        yield from report_unannotated(pairs)


def _select_label_files(files: list[Path]) -> list[Path]:
    """All text files of a folder but for lists of classes, or none: an empty one is an image without objects."""
    return [file for file in files if file.name not in NAME_LISTS] if any(map(_looks_like, files)) else []


def parse_file(path: Path, split: str | None, places: Places) -> Iterator[AnnotatedImage | Problem]:
    """One text file, its image looked for in `places`."""
    content = parse(input_files.read_bytes(path), path)
    faults.refuse_all_broken(content.objects, content.problems, path)
    for kind, detail in content.problems:
        yield Problem(kind, path, detail)
    if faults.is_nothing_left(content.objects, content.problems):
        return
    image = find_file_image(path, places)
    yield AnnotatedImage(image.path, path, content.objects, split=split, match=image.match)


def parse(data: bytes, path: Path) -> KittiFile:
    """Parses a text file's bytes; `path` is only named in errors.

    The fields are those of readme.txt in KITTI's object development kit. A line that has not a class and 14 or 15
    numbers is a problem.
    """
    problems: list[tuple[str, str]] = []
    skipping, objects = Skipping(problems), list[ObjectAnnotation]()
    for number, line in enumerate(parsing.decode_text(data, path).splitlines(), start=1):
        if not line.strip():
            continue
        with skipping:
            fields = parse_fields(line)
            if fields is None:
                what = f"not a KITTI line (a class and 14 or 15 numbers): '{line[:60]}'"
                raise parsing.line_error(path, number, what)
            annotation = make_object(*fields)
            if annotation is None:
                problems.append(("object_ignored", f"line {number}: DontCare"))
            else:
                objects.append(annotation)
    return KittiFile(tuple(objects), tuple(problems))
