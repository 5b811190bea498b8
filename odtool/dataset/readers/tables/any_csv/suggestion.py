"""An example of --columns for a CSV that is not known, made of its own header and first row, for messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import rows
from odtool.dataset.readers.tables.any_csv import columns as column_roles
from odtool.dataset.readers.tables.any_csv.box_cells import EMPTY, parse_box_cell
from odtool.dataset.splits import parse_split

_NAMES: dict[str, tuple[str, ...]] = {
    "x1": ("x1", "xmin", "minx", "left", "l", "xtl", "bboxx1", "bboxxmin", "xleft", "startx"),
    "y1": ("y1", "ymin", "miny", "top", "t", "ytl", "bboxy1", "bboxymin", "ytop", "starty"),
    "x2": ("x2", "xmax", "maxx", "right", "r", "xbr", "bboxx2", "bboxxmax", "xright", "endx"),
    "y2": ("y2", "ymax", "maxy", "bottom", "b", "ybr", "bboxy2", "bboxymax", "ybottom", "endy"),
    "cx": ("cx", "xcenter", "xcentre", "centerx", "centrex", "xc"),
    "cy": ("cy", "ycenter", "ycentre", "centery", "centrey", "yc"),
    "x": ("x", "bboxx", "boxx", "left", "xmin", "x1"),
    "y": ("y", "bboxy", "boxy", "top", "ymin", "y1"),
    "w": ("w", "bboxw", "boxw", "bboxwidth", "boxwidth", "width"),
    "h": ("h", "bboxh", "boxh", "bboxheight", "boxheight", "height"),
    "file": ("filename", "file", "image", "imagename", "imagepath", "imageid", "imgid", "img", "path", "frame", "id"),
    "class": (
        "class",
        "classname",
        "label",
        "labelname",
        "category",
        "categoryname",
        "name",
        "type",
        "species",
        "kind",
        "target",
        "classid",
    ),
}
"""What columns are called, without blanks, dots, hyphens and underscores."""


def suggest_columns(header: Sequence[str], row: Sequence[str] = ()) -> str:
    """As in '--columns file=image_id,class=source,xywh=bbox'.

    Args:
        header: the names of the columns; a row of values where a file has no header, whose columns get their numbers.
        row: the first row after the header.
    """
    has_names = bool(row) and not any(rows.is_number(cell) or _is_image(cell) for cell in header)
    names = list(header) if has_names else [str(place) for place in range(1, len(header) + 1)]
    cells = list(row if has_names else header)
    cells += [""] * (len(names) - len(cells))
    roles = _choose_box(names, cells)
    taken = set(roles.values())
    image = (
        _choose(names, "file", taken)
        or _find(names, cells, taken, _is_image)
        or _find(names, cells, taken, _is_text)
        or _find(names, cells, taken, bool)
    )
    taken.add(image)
    label = _choose(names, "class", taken) or _find(names, cells, taken, _is_label)
    chosen = {"file": image or "...", **({"class": label} if label else {}), **roles}
    parts = [_quote(f"{role}={name}") for role, name in chosen.items()]
    return f"--columns {_quote_for_shell(','.join(parts))}"


def _choose_box(names: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """By the columns' names; else a column with boxes in it, which mostly are a corner and sides; else four numbers."""
    for roles in (column_roles.CORNERS, column_roles.CENTRE, column_roles.SIDES):
        found = {role: _choose(names, role, ()) for role in roles}
        if all(found.values()) and len(set(found.values())) == len(roles):
            return found
    lists = [name for name, cell in zip(names, cells, strict=False) if _is_box(cell)]
    if lists:
        return {"xywh": lists[0]}
    numbers = [name for name, cell in zip(names, cells, strict=False) if rows.is_number(cell)]
    return dict(zip(column_roles.CORNERS, [*numbers[-4:], *["..."] * 4], strict=False))


def _choose(names: Sequence[str], role: str, taken: set[str] | tuple[str, ...]) -> str:
    plain = {re.sub(r"[\s._-]", "", name.lower()): name for name in reversed(names) if name not in taken}
    return next((plain[word] for word in _NAMES[role] if word in plain), "")


def _find(names: Sequence[str], cells: Sequence[str], taken: set[str], fits: Callable[[str], bool]) -> str:
    return next((name for name, cell in zip(names, cells, strict=False) if name not in taken and fits(cell)), "")


def _is_image(cell: str) -> bool:
    return cell.lower().endswith(EXTENSIONS)


def _is_text(cell: str) -> bool:
    return cell.lower() not in EMPTY and not rows.is_number(cell)


def _is_label(cell: str) -> bool:
    """Words for splits stand in tables, too."""
    return _is_text(cell) and parse_split(cell) is None


def _is_box(cell: str) -> bool:
    return not rows.is_number(cell) and bool(parse_box_cell(cell, "xywh"))


def _quote(part: str) -> str:
    """As a CSV has it, where a column's name has commas or quotes."""
    return '"' + part.replace('"', '""') + '"' if re.search(r'[,"]', part) else part


def _quote_for_shell(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'" if re.search(r"[^\w=,./%+:@-]", text) else text
