"""Draws docs/explanation/rooms.svg: the rooms of the package and who imports whom, from the imports themselves.

python scripts/draw_rooms.py            # after a room or an import between rooms came or went
python scripts/draw_rooms.py --check    # exit code 1 where the picture is out of date
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "odtool"
PICTURE = PACKAGE.parent / "docs" / "explanation" / "rooms.svg"
FOUNDATION = "foundation"
"""The files beside the rooms: errors, paths, locks and their like."""
LAYERS = (
    ("cli",),
    ("api",),
    ("tracking",),
    ("engine", "tuning", "reporting"),
    ("detection", "pipeline", "jobs"),
    ("dataset", "visual", "settings"),
    (FOUNDATION,),
)
"""From top to bottom; what a room imports should stand below it."""
_WIDTH, _HEIGHT, _ACROSS, _DOWN, _MARGIN = 150, 46, 40, 64, 20


def imports_between_rooms() -> dict[tuple[str, str], int]:
    """How many modules of one room import another one, by (importer, imported)."""
    pairs: dict[tuple[str, str], int] = {}
    for module in sorted(PACKAGE.rglob("*.py")):
        importer = _room(module.relative_to(PACKAGE).with_suffix("").parts)
        for imported in sorted({_room(parts) for parts in _imports(module)} - {importer}):
            pairs[importer, imported] = pairs.get((importer, imported), 0) + 1
    return pairs


def _imports(module: Path) -> Iterator[Sequence[str]]:
    """What a module imports of the package, as the parts of a path below it."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE.name:
            for name in node.names:
                yield (*(node.module or "").split(".")[1:], name.name)


def _room(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) > 1 and (PACKAGE / parts[0]).is_dir() else FOUNDATION


def draw(pairs: Mapping[tuple[str, str], int]) -> str:
    """The picture: boxes in layers, with the number of their modules, and arrows as thick as they are used."""
    places = dict(_places())
    widest = max(map(len, LAYERS))
    width = 2 * _MARGIN + widest * _WIDTH + (widest - 1) * _ACROSS
    height = 2 * _MARGIN + len(LAYERS) * _HEIGHT + (len(LAYERS) - 1) * _DOWN
    arrows = [
        _arrow(places[importer], places[imported], count, f"{importer} imports {imported} in {count} modules")
        for (importer, imported), count in sorted(pairs.items())
        if FOUNDATION not in (imported, importer)  # every room imports it; the lines would hide the rest
    ]
    boxes = [_box(room, *place) for room, place in places.items()]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="14" text-anchor="middle">\n'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto" '
        'markerUnits="userSpaceOnUse"><path d="M0 0 8 4 0 8z" fill="#667"/></marker></defs>\n'
        f'<rect width="{width}" height="{height}" fill="#fff"/>\n' + "\n".join([*arrows, *boxes]) + "\n</svg>\n"
    )


def _places() -> Iterator[tuple[str, tuple[float, float]]]:
    widest = max(map(len, LAYERS))
    total = widest * _WIDTH + (widest - 1) * _ACROSS
    for row, rooms in enumerate(LAYERS):
        own = len(rooms) * _WIDTH + (len(rooms) - 1) * _ACROSS
        left = _MARGIN + (total - own) / 2
        for column, room in enumerate(rooms):
            yield room, (left + column * (_WIDTH + _ACROSS), _MARGIN + row * (_HEIGHT + _DOWN))


def _box(room: str, left: float, top: float) -> str:
    folder = PACKAGE if room == FOUNDATION else PACKAGE / room
    modules = len(list(folder.glob("*.py") if room == FOUNDATION else folder.rglob("*.py")))
    middle = left + _WIDTH / 2
    return (
        f'<rect x="{left}" y="{top}" width="{_WIDTH}" height="{_HEIGHT}" rx="6" fill="#eef2f8" stroke="#446"/>'
        f'<text x="{middle}" y="{top + 20}" font-weight="bold" fill="#223">{escape(room)}</text>'
        f'<text x="{middle}" y="{top + 37}" font-size="11" fill="#556">{modules} modules</text>'
    )


def _arrow(start: tuple[float, float], end: tuple[float, float], count: int, title: str) -> str:
    """From box to box; sideways to a neighbour, and dashed where a lower room imports a higher one."""
    line = min(1 + count / 8, 5)
    sideways = start[1] == end[1]
    upwards = end[1] < start[1]
    from_y, to_y = (start[1], end[1] + _HEIGHT) if upwards else (start[1] + _HEIGHT, end[1])
    if sideways:
        from_y, to_y = start[1] + _HEIGHT / 2, end[1] + _HEIGHT / 2
    toward = 1 if end[0] > start[0] else -1
    from_x = start[0] + _WIDTH / 2 + (toward * _WIDTH / 2 if sideways else 0)
    to_x = end[0] + _WIDTH / 2 - (toward * _WIDTH / 2 if sideways else 0)
    bend = 0 if sideways else (to_y - from_y) / 2
    path = f"M{from_x} {from_y}C{from_x} {from_y + bend} {to_x} {to_y - bend} {to_x} {to_y}"
    dashes = ' stroke-dasharray="5 4"' if upwards else ""
    return (
        f'<path d="{path}" fill="none" stroke="#667" stroke-opacity=".55" stroke-width="{line:.1f}"{dashes} '
        f'marker-end="url(#tip)"><title>{escape(title)}</title></path>'
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where it is out of date")
    check: bool = parser.parse_args().check
    picture = draw(imports_between_rooms())
    if PICTURE.is_file() and PICTURE.read_text() == picture:
        return 0
    if not check:
        PICTURE.write_text(picture)
    print(f"{PICTURE}: {'out of date' if check else 'written'}")
    return 1 if check else 0


if __name__ == "__main__":
    sys.exit(main())
