"""DOTA: one text file an image, each line four corners, a class and a difficulty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from odtool.dataset.readers.common import parsing, rows
from odtool.dataset.readers.common.lookup import Places, find_beside
from odtool.dataset.readers.common.pairs import Pairs, pair, without_annotation
from odtool.dataset.readers.common.shapes import envelope
from odtool.dataset.readers.common.source_folders import Folder, split_within, walk
from odtool.dataset.types import AnnotatedImage, Deferred, Finding, ObjectAnnotation, Problem, Source

_SAMPLES = 5
"""Text files a folder that are looked into."""
_HEADERS = ("imagesource:", "gsd:", "acquisition dates:")
_CORNERS = 8


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as DOTA, or None."""
    if path.is_file():
        return f"{path.name} has four corners and a class a line" if looks_like(path) else None
    for folder in walk(path):
        for file in folder.ending(".txt")[:_SAMPLES]:
            if looks_like(file):
                return f"{file} has four corners and a class a line"
    return None


def looks_like(path: Path) -> bool:
    """Headers and nothing more are an image without objects, so they are enough."""
    if path.suffix.lower() != ".txt":
        return False
    lines = [line.strip() for line in rows.opening(path) if line.strip()]
    if lines and lines[0].lower().startswith(_HEADERS):
        return True
    fields = _fields(lines[0]) if lines else None
    return fields is not None and not rows.is_number(fields[1].split()[0])


def _fields(line: str) -> tuple[list[float], str, bool] | None:
    """Corners, class and whether it is difficult; None where the line is none of DOTA's."""
    words = (line.replace(",", " ") if line.count(",") >= _CORNERS else line).split()
    try:
        corners = [float(word) for word in words[:_CORNERS]]
    except ValueError:
        return None
    rest = words[_CORNERS:]
    # The difficulty is left out by some writers; a class may have blanks in it, or be a number.
    difficulty = rest.pop() if len(rest) > 1 and rest[-1].isdecimal() else "0"
    return (corners, " ".join(rest), difficulty != "0") if rest else None


def read(source: Source) -> Iterator[Finding]:
    """Every label file with its image; images without one (the test split's) are counted."""
    if source.path.is_file():
        folders = {source.root: [source.path]}
    else:
        labelled = sorted((folder for folder in walk(source.root) if _has_labels(folder)), key=_rank)
        folders = {folder.path: folder.ending(".txt") for folder in labelled}
    pairs = pair(sorted(file for files in folders.values() for file in files), source, ["images", "image"])
    again = _again(folders, pairs, source)
    for place, files in again.items():
        yield Problem("file_skipped", place, f"another file has the image of {len(files)} of these")
    for place, labels in pairs.files.items():
        split = split_within(place, source.root)
        for file in labels:
            if file not in again.get(place, ()):
                yield Deferred(parse_file, (file, split, pairs.places[place]))
    if source.path.is_dir():
        yield from without_annotation(pairs)


def _again(folders: Mapping[Path, Sequence[Path]], pairs: Pairs, source: Source) -> dict[Path, set[Path]]:
    """By folder, the files of which another has the name, and the image, in a folder that comes before."""
    first: dict[tuple[str | None, str], list[Path]] = {}
    again: dict[Path, set[Path]] = {}
    for folder, files in folders.items():
        split = split_within(folder, source.root)
        for file in files:
            namesakes = first.setdefault((split, file.stem), [])
            image = _image(file, pairs.places[folder]) if namesakes else None
            # Without an image nothing tells them apart.
            if namesakes and image in (None, *(_image(file, pairs.places[one]) for one in namesakes)):
                again.setdefault(folder, set()).add(file)
            else:
                namesakes.append(folder)
    return again


def _has_labels(folder: Folder) -> bool:
    return any(looks_like(file) for file in folder.ending(".txt"))


def _rank(folder: Folder) -> tuple[bool, list[int], str]:
    """The newest version first (labelTxt-v1.5 before labelTxt); oriented boxes before those made of them (_hbb)."""
    name = str(folder.path)
    version = max((part.partition("labelTxt")[2] for part in folder.path.parts), default="")
    return "hbb" in name.lower(), [-ord(letter) for letter in version] or [0], name


def _image(file: Path, places: Places) -> Path | None:
    found = find_beside(file, places)
    return found.path if found.exists else None


def parse_file(path: Path, split: str | None, places: Places) -> Iterator[AnnotatedImage]:
    """One text file, its image looked for in `places`."""
    objects = parse(parsing.read_bytes(path), path)
    found = find_beside(path, places)
    yield AnnotatedImage(found.path, path, objects, split=split, match=found.match)


def parse(data: bytes, path: Path) -> tuple[ObjectAnnotation, ...]:
    """Parses a text file's bytes; `path` is only named in errors. Boxes are the envelopes of the corners.

    Raises:
        DataError: a line is neither a header nor eight numbers and a class.
    """
    objects = []
    for number, line in enumerate(parsing.text_of(data, path).splitlines(), start=1):
        if not line.strip() or line.strip().lower().startswith(_HEADERS):
            continue
        fields = _fields(line)
        if fields is None:
            raise parsing.broken(path, number, f"not eight numbers and a class, as DOTA has it: '{line[:60]}'")
        corners, label, difficult = fields
        box = envelope(zip(corners[0::2], corners[1::2], strict=True))
        objects.append(ObjectAnnotation(label, box, difficult=difficult))
    return tuple(objects)
