"""What --columns says: which columns of a CSV hold the image, the class and the box, and how the box is written."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence

CORNERS = ("x1", "y1", "x2", "y2")
SIDES = ("x", "y", "w", "h")
CENTRE = ("cx", "cy", "w", "h")
CELLS = ("xyxy", "xywh", "cxcywh")
"""Roles of a column that has the whole box, or several, in one cell."""
BOXES: tuple[tuple[str, ...], ...] = (CORNERS, SIDES, CENTRE, *((cell,) for cell in CELLS))
"""Roles that together are a box, of which a table has one set."""
ROLES = ("file", "class", *dict.fromkeys((*CORNERS, *SIDES, *CENTRE)), *CELLS, "image_width", "image_height", "split")
ALIASES = {
    "filename": "file",
    "image": "file",
    "path": "file",
    "label": "class",
    "category": "class",
    "xmin": "x1", "ymin": "y1", "xmax": "x2", "ymax": "y2",
    "left": "x1", "top": "y1", "right": "x2", "bottom": "y2",
    "width": "w", "height": "h",
}  # fmt: skip
"""Other words for roles."""
EXAMPLE = "file=image_id,class=label,x1=xmin,y1=ymin,x2=xmax,y2=ymax"

Columns = tuple[tuple[str, str], ...]
"""Role and column of each."""


def parse_columns(given: str | Mapping[str, str]) -> Columns:
    """Roles and columns, of a text such as EXAMPLE or of a mapping.

    Raises:
        ValueError: a role is unknown or named twice, or there is no image or no whole box.
    """
    pairs = list(given.items()) if isinstance(given, Mapping) else [_parse_pair(part) for part in _split(given)]
    columns: dict[str, str] = {}
    for word, column in pairs:
        role = ALIASES.get(word.strip().lower(), word.strip().lower())
        if role not in ROLES:
            raise ValueError(f"'{word}' is none of {', '.join(ROLES)}")
        if role in columns:
            raise ValueError(f"'{role}' is named twice")
        if not column.strip():
            raise ValueError(f"'{role}' has no column after it")
        columns[role] = column.strip()
    _refuse_incomplete(columns)
    return tuple(columns.items())


def _split(text: str) -> list[str]:
    """Names with commas in them stand in quotes, as in a CSV."""
    try:
        return [part for part in next(csv.reader([text], strict=True, skipinitialspace=True), []) if part.strip()]
    except csv.Error as error:
        raise ValueError(f"it cannot be read: {error}") from None


def _parse_pair(part: str) -> tuple[str, str]:
    role, equals, column = part.partition("=")
    if not equals:
        raise ValueError(f"'{part}' is not a role and a column, as in {EXAMPLE}")
    return role, column


def _refuse_incomplete(columns: Iterable[str]) -> None:
    named = set(columns)
    if "file" not in named:
        raise ValueError(f"no column is named for 'file', as in {EXAMPLE}")
    box_roles = named & {role for roles in BOXES for role in roles}
    if not any(box_roles == set(roles) for roles in BOXES):
        sets = ["/".join(roles) for roles in BOXES]
        what = f"{', '.join(sorted(box_roles))} are not a box" if box_roles else "no columns are named for the box"
        raise ValueError(f"{what}: name one of {', '.join(sets)}")


def find_box_roles(columns: Mapping[str, object]) -> tuple[str, ...]:
    """Those of BOXES that are named."""
    return next(roles for roles in BOXES if set(roles) <= columns.keys())


def find_indices(columns: Columns, header: Sequence[str]) -> dict[str, int] | None:
    """Where the columns of each role stand in a header, or None where one is missing.

    A name is looked for as it is spelt, then in any letter case. Where all are numbers, they are places from 1.
    """
    by_place = are_numbers(columns)
    indices = {role: _find_place(column, header, by_place=by_place) for role, column in columns}
    return None if None in indices.values() else {role: index for role, index in indices.items() if index is not None}


def _find_place(column: str, header: Sequence[str], *, by_place: bool) -> int | None:
    if by_place:
        return int(column) - 1 if len(column) < 5 and 1 <= int(column) <= len(header) else None
    if column in header:
        return header.index(column)
    lowered = [name.lower() for name in header]
    return lowered.index(column.lower()) if lowered.count(column.lower()) == 1 else None


def are_numbers(columns: Columns) -> bool:
    """Whether all columns are given by number, as where there is no header."""
    return all(column.isdecimal() for _, column in columns)
