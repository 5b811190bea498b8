"""One line of KITTI's label files: a class and 14 or 15 numbers."""

from __future__ import annotations

from odtool.dataset.readers.common import rows
from odtool.dataset.types import Box, ObjectAnnotation

_FIELDS = (14, 15)
"""Numbers after the class; the last of 15 is a detector's score."""


def parse_fields(line: str) -> tuple[str, list[float]] | None:
    """Class, which may have blanks in it, and the numbers after it; None where the line is none of KITTI's."""
    words = line.split()
    for count in _FIELDS:
        label, numbers = words[:-count], words[-count:]
        if not label or rows.is_number(label[-1]):
            continue
        try:
            return " ".join(label), [float(word) for word in numbers]
        except ValueError:
            continue
    return None


def make_object(label: str, values: list[float]) -> ObjectAnnotation | None:
    """Truncation is a share from 0 to 1; occlusion 3 is for "unknown". None for regions not to care about."""
    if label.lower() == "dontcare":
        return None
    return ObjectAnnotation(label, Box(*values[3:7]), truncated=values[0] > 0, occluded=values[1] in (1, 2))
