"""Text as the OIDv4 toolkit writes it: a file an image in Label/ below the images, each line a class and two corners.

Corners are left, top, right and bottom in pixels. A class may have blanks in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import rows
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.texts.label_texts import SAMPLES, TextLine, defer_label_files, find_label_files
from odtool.dataset.readers.namesakes.image_paths import find_stem
from odtool.dataset.types import Box, Finding, ObjectAnnotation, Source

_CORNERS = 4
_FOLDERS = ("label", "labels", "annotations", "ground-truth", "groundtruths")
"""What folders of such files are called. Elsewhere an image of the file's name lies beside it."""
_LEAST = 2
"""Pixels that right or bottom are: fractions with class names are not of this format."""


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as OIDv4's text, or None."""
    return find_evidence(path, ".txt", _looks_like, "has a class and four corners in pixels per line", samples=SAMPLES)


def _looks_like(path: Path) -> bool:
    """Most of the first lines are a word that is no number and four numbers, the corners in order."""
    if path.suffix.lower() != ".txt":
        return False
    if path.parent.name.lower() not in _FOLDERS and find_stem(path.stem, [path.parent, path.parent.parent]) is None:
        return False
    return rows.are_mostly(path, _has_ordered_corners)


def _has_ordered_corners(line: str) -> bool:
    fields = _parse_fields(line)
    if fields is None:
        return False
    left, top, right, bottom = fields[1]
    return 0 <= left <= right and 0 <= top <= bottom and max(right, bottom) >= _LEAST


def _parse_fields(line: str) -> tuple[str, list[float]] | None:
    """Class and corners; None where the line is none of OIDv4's. A number before them would be a detector's score."""
    words = line.split()
    label, corners = words[:-_CORNERS], words[-_CORNERS:]
    if not label or "," in line or label[-1].lower().endswith(EXTENSIONS):
        return None
    if rows.is_number(label[-1]) or rows.is_number(label[0]):
        return None
    return (" ".join(label), [float(word) for word in corners]) if all(map(rows.is_number, corners)) else None


def read(source: Source) -> Iterator[Finding]:
    """Every label file with its image; images without one are counted."""
    return defer_label_files(find_label_files(source, _looks_like), source, [".", "images"], parse_line)


def parse_line(line: TextLine) -> ObjectAnnotation:
    """The object of one line."""
    fields = _parse_fields(line.text)
    if fields is None:
        raise line.error("not a class and four corners")
    return ObjectAnnotation(fields[0], Box(*fields[1]))
