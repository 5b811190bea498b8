"""Annotation documents as data: JSON, YAML, XML and text, with errors that name the file and the line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odtool.dataset.readers.common.faults import FIX, AnnotationError
from odtool.dataset.readers.common.streams import input_files

if TYPE_CHECKING:
    from lxml.etree import XMLParser, _Element
    from yaml.nodes import Node

_MOST_ALIASED = 100_000
"""Values that aliases (*name) may add to a YAML document. PyYAML writes some where a list stands twice."""

# Outlines are written into cells, which Python takes for broken beyond 128 KB. Every file that csv parses is in
# memory by then. What a C long holds everywhere.
csv.field_size_limit(2**31 - 1)

UNTRUSTED: dict[str, Any] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}
"""How lxml parses what somebody else wrote: nothing outside the file is read, no entity is expanded."""


def decode_text(data: bytes, path: Path) -> str:
    """UTF-8 text, with or without a BOM, or UTF-16 with one."""
    try:
        return input_files.as_utf8(data).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise line_error(path, data[: error.start].count(b"\n") + 1, "not UTF-8 text", "Save it as UTF-8.") from None


_lists: ContextVar[set[Path] | None] = ContextVar("lists", default=None)


@contextmanager
def remember_lists() -> Iterator[set[Path]]:
    """Text files of which the lines are read within the block, by this process."""
    lists: set[Path] = set()
    token = _lists.set(lists)
    try:
        yield lists
    finally:
        _lists.reset(token)


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, without surrounding blanks; line n stands at n - 1."""
    if (lists := _lists.get()) is not None:
        lists.add(path)
    return [line.strip() for line in decode_text(input_files.read_bytes(path), path).split("\n")]


def describe_repeated_names(names: Mapping[Any, str]) -> Iterator[str]:
    """A line for each name that several classes have, by their numbers."""
    numbers: dict[str, list[str]] = {}
    for number, name in names.items():
        numbers.setdefault(name, []).append(str(number))
    for name, of_name in numbers.items():
        if len(of_name) > 1:
            yield f"classes {', '.join(of_name[:-1])} and {of_name[-1]} are called '{name}'"


def read_class_names(path: Path) -> dict[int, str]:
    """Class names by the numbers of their lines from 0; empty lines at the end are none."""
    lines = read_lines(path)
    while lines and not lines[-1]:
        lines.pop()
    return dict(enumerate(lines))


def parse_json(data: bytes, path: Path) -> Any:
    """The value of a JSON document."""
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and error.doc[error.pos] in "{[" and error.colno == 1:
            raise json_lines_error(path, error.lineno) from None
        raise line_error(path, error.lineno, f"broken JSON: {error.msg} (column {error.colno})") from None
    except UnicodeDecodeError as error:
        raise line_error(path, data[: error.start].count(b"\n") + 1, "broken JSON: not UTF-8 text") from None
    except RecursionError:
        raise line_error(path, 1, "broken JSON: nested too deeply") from None
    except ValueError as error:
        raise line_error(path, 1, f"broken JSON: {error}") from None


def json_lines_error(path: Path, line: int) -> AnnotationError:
    """The error for a second document where one is expected."""
    return line_error(
        path,
        line,
        "JSON Lines (a document a line) where one JSON document is expected",
        "Write the documents as one list, or name the file for what it is: .jsonl.",
    )


def check_json_is_whole(path: Path) -> None:
    """Raises AnnotationError for a JSON file that is empty or cut off, which its end tells."""
    text = input_files.read_ends(path).strip(b"\xef\xbb\xbf \r\n\t\0")
    if not text.endswith((b"}", b"]")):
        parse_json(input_files.read_bytes(path), path)


def parse_yaml(data: bytes, path: Path) -> Any:
    """The value of a YAML document. Every scalar is text: a class may be called 'no' or '1e3'.

    Raises:
        DataError: it is broken, gives a key twice, or has aliases that expand to a multiple of it.
    """
    import yaml

    text = decode_text(data, path)
    try:
        loader = yaml.BaseLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_expanding(node, path)
        _refuse_repeated_keys(node, path)
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise line_error(path, line, f"broken YAML: {error.problem or error.context or 'cannot be read'}") from None
    except yaml.YAMLError as error:
        raise line_error(path, 1, f"broken YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise line_error(path, 1, "broken YAML: nested too deeply") from None


def _refuse_expanding(root: Node, path: Path) -> None:
    """A few nested aliases stand for more than memory holds, as soon as anything walks or prints them."""
    sizes: dict[int, int] = {}

    def size(node: Node) -> int:
        """Nodes below and with this one, where each alias is a copy of what it stands for."""
        if id(node) not in sizes:
            sizes[id(node)] = _MOST_ALIASED + 1  # where it stands for itself
            values = node.value if isinstance(node.value, list) else []
            below = [child for value in values for child in (value if isinstance(value, tuple) else (value,))]
            sizes[id(node)] = 1 + sum(map(size, below))
        return sizes[id(node)]

    if size(root) - len(sizes) > _MOST_ALIASED:
        raise line_error(
            path,
            1,
            f"YAML whose aliases stand for more than {_MOST_ALIASED} values is refused",
            "Write the values out.",
        )


def _refuse_repeated_keys(root: Node, path: Path) -> None:
    """A key may stand once in a mapping (YAML 1.2, 3.2.1.3); PyYAML takes the last one without a word."""
    pending, visited = [root], set[int]()
    while pending:
        node = pending.pop()
        if id(node) in visited or not isinstance(node.value, list):
            continue
        visited.add(id(node))
        first_keys: dict[str, Node] = {}
        for item in node.value:
            key, value = item if isinstance(item, tuple) else (None, item)
            pending.append(value)
            if key is None or not isinstance(key.value, str):
                continue
            first = first_keys.setdefault(key.value, key)
            if first is not key:
                what = f"broken YAML: '{key.value[:60]}' is given twice, first in line {first.start_mark.line + 1}"
                raise line_error(path, key.start_mark.line + 1, what, "Remove one of the two, or give it another key.")


def parse_xml(data: bytes, path: Path) -> _Element:
    """The root of an XML document. Nothing outside it is read, and no entity is expanded.

    Raises:
        DataError: it is broken, or has a document type, which could define entities that expand without end.
    """
    from lxml import etree

    position = data.find(b"<!DOCTYPE")
    if position >= 0:
        raise document_type_error(path, data[:position].count(b"\n") + 1)
    try:
        root = etree.fromstring(data, _make_parser())
    except etree.XMLSyntaxError as error:
        raise line_error(path, error.lineno or 1, f"broken XML: {error.msg}") from None
    # In UTF-16 the search above is blind.
    if root.getroottree().docinfo.internalDTD is not None:
        raise document_type_error(path, 1)
    return root


@cache
def _make_parser() -> XMLParser:
    """One for all documents: making one takes as long as parsing a small file."""
    from lxml import etree

    return etree.XMLParser(
        **UNTRUSTED,
    )


def document_type_error(path: Path, line: int) -> AnnotationError:
    """The error for XML with a document type."""
    return line_error(
        path,
        line,
        "XML with a document type is refused, as its entities could expand without end or read other files",
        "Remove the <!DOCTYPE ...> part; annotations do not need it.",
    )


def unexpected_json(tool: str, path: Path, what: str) -> AnnotationError:
    """The error for a JSON document that is not as a tool writes it."""
    return AnnotationError(path, f"{what}: not as {tool} writes it")


def get_line(element: _Element) -> int:
    """The line of an XML element; lxml has none for some."""
    return element.sourceline if isinstance(element.sourceline, int) else 1


def line_error(path: Path, line: int, what: str, hint: str = FIX) -> AnnotationError:
    """The error for a file that is not what its format asks for."""
    return AnnotationError(path, what, hint, line)
