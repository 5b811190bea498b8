"""DOTA: one text file an image, each line four corners, a class and a difficulty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from odtool.dataset.readers.common import faults, parsing, rows
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.faults import Skipping
from odtool.dataset.readers.common.lookup import Places, find_file_image
from odtool.dataset.readers.common.pairs import Pairs, pair_files, report_unannotated
from odtool.dataset.readers.common.shapes import enclose_points
from odtool.dataset.readers.common.source_folders import Folder, find_split, walk
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.unread import icdar
from odtool.dataset.types import AnnotatedImage, Deferred, Finding, ObjectAnnotation, Problem, Source

_SAMPLES = 5
"""Text files a folder that are looked into."""
_HEADERS = ("imagesource:", "gsd:", "acquisition dates:")
_CORNERS = 8


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as DOTA, or None."""
    return find_evidence(path, ".txt", looks_like, "has four corners and a class per line", samples=_SAMPLES)


def looks_like(path: Path) -> bool:
    """Headers and nothing more are an image without objects, so they are enough."""
    if path.suffix.lower() != ".txt":
        return False
    lines = [line.strip() for line in rows.read_opening(path) if line.strip()]
    if lines and lines[0].lower().startswith(_HEADERS):
        return True
    fields = _parse_fields(lines[0]) if lines else None
    return fields is not None and not rows.is_number(fields[1].split()[0]) and not icdar.looks_like(path, lines)


def _parse_fields(line: str) -> tuple[list[float], str, bool] | None:
    """Corners, class and whether it is difficult; None where the line is none of DOTA's."""
    words = (line.replace(",", " ") if line.count(",") >= _CORNERS else line).split()
    try:
        corners = [float(word) for word in words[:_CORNERS]]
    except ValueError:
        return None
    class_words = words[_CORNERS:]
    # The difficulty is left out by some writers; a class may have blanks in it, or be a number.
    difficulty = class_words.pop() if len(class_words) > 1 and class_words[-1].isdecimal() else "0"
    return (corners, " ".join(class_words), difficulty != "0") if class_words else None


def read(source: Source) -> Iterator[Finding]:
    """Every label file with its image; images without one (the test split's) are counted."""
    if source.path.is_file():
        folders = {source.root: [source.path]}
    else:
        labelled = sorted((folder for folder in walk(source.root) if _has_labels(folder)), key=_rank)
        folders = {folder.path: folder.find_files(".txt") for folder in labelled}
    pairs = pair_files(sorted(file for files in folders.values() for file in files), source, ["images", "image"])
    repeated_files = _find_repeated(folders, pairs, source)
    for place, files in repeated_files.items():
        yield Problem("file_skipped", place, f"another file annotates the images of {len(files)} of these")
    for place, labels in pairs.files.items():
        split = find_split(place, source.root)
        for file in labels:
            if file not in repeated_files.get(place, ()):
                yield Deferred(parse_file, (file, split, pairs.places[place]))
    if source.path.is_dir():
        yield from report_unannotated(pairs)


def _find_repeated(folders: Mapping[Path, Sequence[Path]], pairs: Pairs, source: Source) -> dict[Path, set[Path]]:
    """By folder, the files of which another has the name, and the image, in a folder that comes before."""
    namesake_folders: dict[tuple[str | None, str], list[Path]] = {}
    repeated_files: dict[Path, set[Path]] = {}
    for folder, files in folders.items():
        split = find_split(folder, source.root)
        for file in files:
            folders_before = namesake_folders.setdefault((split, file.stem), [])
            image = _find_image(file, pairs.places[folder]) if folders_before else None
            # Without an image nothing tells them apart.
            if folders_before and image in (
                None,
                *(_find_image(file, pairs.places[namesake]) for namesake in folders_before),
            ):
                repeated_files.setdefault(folder, set()).add(file)
            else:
                folders_before.append(folder)
    return repeated_files


def _has_labels(folder: Folder) -> bool:
    return any(looks_like(file) for file in folder.find_files(".txt"))


def _rank(folder: Folder) -> tuple[bool, list[int], str]:
    """The newest version first (labelTxt-v1.5 before labelTxt); oriented boxes before those made of them (_hbb)."""
    name = str(folder.path)
    version = max((part.partition("labelTxt")[2] for part in folder.path.parts), default="")
    return "hbb" in name.lower(), [-ord(letter) for letter in version] or [0], name


def _find_image(file: Path, places: Places) -> Path | None:
    image = find_file_image(file, places)
    return image.path if image.exists else None


def parse_file(path: Path, split: str | None, places: Places) -> Iterator[AnnotatedImage | Problem]:
    """One text file, its image looked for in `places`."""
    objects, problems = parse(input_files.read_bytes(path), path)
    faults.refuse_all_broken(objects, problems, path)
    is_nothing_left = faults.is_nothing_left(objects, problems)
    yield from faults.take(problems, path)
    if is_nothing_left:
        return
    image = find_file_image(path, places)
    yield AnnotatedImage(image.path, path, objects, split=split, match=image.match)


def parse(data: bytes, path: Path) -> tuple[tuple[ObjectAnnotation, ...], list[tuple[str, str]]]:
    """A text file's objects, and the problems (kind and detail). Boxes are the envelopes of the corners.

    A line that is neither a header nor eight numbers and a class is a problem; `path` is only named in errors.
    """
    problems: list[tuple[str, str]] = []
    skipping, objects = Skipping(problems), list[ObjectAnnotation]()
    for number, line in enumerate(parsing.decode_text(data, path).splitlines(), start=1):
        if not line.strip() or line.strip().lower().startswith(_HEADERS):
            continue
        with skipping:
            fields = _parse_fields(line)
            if fields is None:
                raise parsing.line_error(path, number, f"not a DOTA line (eight numbers and a class): '{line[:60]}'")
            corners, label, difficult = fields
            box = enclose_points(zip(corners[0::2], corners[1::2], strict=True))
            objects.append(ObjectAnnotation(label, box, difficult=difficult))
    return tuple(objects), problems
