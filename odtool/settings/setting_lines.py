"""The lines on which the settings of a file stand, found in one pass over it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yaml import Node

Keys = tuple[str, ...]
"""From the outermost table to the setting."""
DEEPEST = 32
"""Of tables and lists within one another; settings have three or four levels."""
_LONGEST_STATEMENT = 100
"""Lines of a statement of TOML that is looked for: whether it has ended is tried with each, which takes the square of
their number. What is longer, and all below it, gets no line."""


def load_toml(text: str) -> dict[str, Any]:
    """The values of a TOML document. Raises ValueError where it is broken."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    values: dict[str, Any] = tomllib.loads(text)
    return values


def find_in_toml(text: str) -> dict[Keys, int]:
    """The first line of the statement with which a document that is not broken begins to have the keys."""
    lines: dict[Keys, int] = {}
    table: Keys = ()
    for number, is_header, values in _split_statements(text.split("\n")):
        paths = list(_list_paths(values, () if is_header else table))
        if is_header:
            table = paths[-1]
        for path in paths:
            lines.setdefault(path, number)
    return lines


def _split_statements(lines: list[str]) -> Iterator[tuple[int, bool, dict[str, Any]]]:
    """Each statement's first line, whether it begins a table, and what it says by itself."""
    first = 0
    for last in range(len(lines)):
        if last - first >= _LONGEST_STATEMENT:
            return
        try:
            values = load_toml("\n".join(lines[first : last + 1]))
        except (ValueError, RecursionError):
            continue  # in the middle of it
        if values:
            yield first + 1, lines[first].lstrip().startswith("["), values
        first = last + 1


def _list_paths(value: Any, above: Keys) -> Iterator[Keys]:
    """The keys of all that is in a value, that of a table before those in it."""
    while isinstance(value, list) and len(value) == 1:  # [[table]]
        value = value[0]
    if isinstance(value, Mapping) and len(above) <= DEEPEST:
        for key, below in value.items():
            yield (*above, key)
            yield from _list_paths(below, (*above, key))


def find_in_yaml(root: Node | None) -> dict[Keys, int]:
    """The line of each key of a document."""
    lines: dict[Keys, int] = {}
    pending: list[tuple[Keys, Any]] = [((), root)]
    while pending:
        above, node = pending.pop()
        if node is None or node.id != "mapping":
            continue
        for key, value in node.value:
            keys = (*above, key.value)
            lines[keys] = key.start_mark.line + 1
            pending.append((keys, value))
    return lines
