"""Boxes in one cell of a table: '[1, 2, 30, 40]', '1 2 30 40', a list of such, or of objects with named numbers."""

from __future__ import annotations

import json
import re
from typing import Any

from odtool.dataset.readers.common import values

EMPTY = ("", "nan", "none", "null", "na", "[]", "{}")
"""Cells, in lower case, that say nothing; pandas writes the absent as nan."""
_KEYS = {
    "xyxy": (("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"), ("left", "top", "right", "bottom")),
    "xywh": (("x", "y", "width", "height"), ("x", "y", "w", "h"), ("left", "top", "width", "height")),
    "cxcywh": (("cx", "cy", "width", "height"), ("cx", "cy", "w", "h"), ("x", "y", "width", "height")),
}
"""What the numbers are called where they have names, by role."""
_PYTHON = str.maketrans({"'": '"', "(": "[", ")": "]"})

Four = tuple[float, ...]


def parse_box_cell(cell: str, role: str) -> list[Four] | None:
    """The four numbers of each box of a cell, none for an empty one; None where it is something else."""
    if cell.lower() in EMPTY:
        return []
    value = _parse_literal(cell)
    if value is None:
        value = _parse_words(cell)
    items = value if isinstance(value, list) and value and isinstance(value[0], list | dict) else [value]
    boxes = [_parse_four(item, role) for item in items]
    return None if None in boxes else [box for box in boxes if box is not None]


def parse_list_cell(cell: str) -> list[Any] | None:
    """The values of a cell that holds a list; None for anything else."""
    value = _parse_literal(cell)
    return value if isinstance(value, list) else None


def _parse_literal(cell: str) -> Any:
    """The value of JSON, or of Python's own spelling of lists, tuples and dicts; None for anything else."""
    if cell[:1] not in ("[", "(", "{"):
        return None
    for text in (cell, cell.translate(_PYTHON)):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            continue
    return None


def _parse_words(cell: str) -> list[float] | None:
    """Numbers with blanks, commas or semicolons between them, as numpy prints them in brackets."""
    words = [word for word in re.split(r"[\s,;]+", cell.strip("[]() ")) if word]
    try:
        return [float(word) for word in words]
    except ValueError:
        return None


def _parse_four(item: Any, role: str) -> Four | None:
    if isinstance(item, dict):
        return next((four for keys in _KEYS[role] if (four := values.parse_fields(item, *keys))), None)
    return values.parse_numbers(item, 4)
