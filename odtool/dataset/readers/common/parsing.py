"""Annotation documents as data: JSON, YAML, XML and text, with errors that name the file and the line."""

from __future__ import annotations

import codecs
import csv
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from odtool.dataset.readers.common.faults import FIX, AnnotationError

if TYPE_CHECKING:
    from lxml.etree import XMLParser, _Element
    from yaml.nodes import Node

_HEAD = 1 << 16
_MOST_ENDS = 128
"""Files whose beginning and end are kept: 16 MB at most."""
_SETTLED = 2 * 10**9
"""Nanoseconds after a change in which another one may leave the same time, as file systems count it."""
_PIECE = 1 << 16
"""Bytes read at once; most annotation files of one image have fewer."""
_LONG_PIECE = 1 << 20
"""The same where a whole file is looked through."""
IN_A_FILE = "Write its content into a file, and name that."
"""What to do about a pipe or a device."""
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


def read_bytes(path: Path) -> bytes:
    """A whole annotation file.

    Raises:
        AnnotationError: it is not there, may not be read, or is a pipe or a device, which may have no end.
    """
    try:
        # Without Python's file objects, which for a small file took longer than reading it.
        descriptor = _open_file(path)
        try:
            pieces = []
            while piece := os.read(descriptor, _PIECE):
                pieces.append(piece)
        finally:
            os.close(descriptor)
        return b"".join(pieces)
    except OSError as error:
        raise _name_refusal(error, path) from None


@contextmanager
def open_binary(path: Path) -> Iterator[BinaryIO]:
    """An annotation file that is read piece by piece.

    Raises:
        AnnotationError: it is not there, may not be read, or is a pipe or a device, which may have no end.
    """
    try:
        descriptor = _open_file(path)
        try:
            stream = os.fdopen(descriptor, "rb", closefd=False)  # a folder is refused here
        except BaseException:
            os.close(descriptor)
            raise
    except OSError as error:
        raise _name_refusal(error, path) from None
    try:
        with stream:
            yield stream
    finally:
        os.close(descriptor)


def _open_file(path: Path) -> int:
    """A descriptor of what is no pipe and no device. Opening a pipe otherwise waits until somebody writes into it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        _refuse_endless(path, os.fstat(descriptor).st_mode)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _name_refusal(error: OSError, path: Path) -> OSError | AnnotationError:
    if isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError):
        return AnnotationError(path, "no such file", "Check the path, or what names it.")
    if isinstance(error, PermissionError):
        return AnnotationError(path, "may not be read", "Give yourself permission to read it.")
    return error


def _refuse_endless(path: Path, mode: int) -> None:
    if kind := describe_endless(mode):
        raise AnnotationError(path, f"it is {kind}, not a file", IN_A_FILE)


def describe_endless(mode: int) -> str:
    """What a path of this st_mode is, where reading it might never end; '' for files and folders."""
    kinds = {stat.S_IFREG: "", stat.S_IFDIR: "", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def open_regular(path: str, flags: int) -> int:
    """An opener for `open` that refuses pipes and devices, which would be waited for; raises OSError then."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(f"{path}: not a regular file")


def read_ends(path: Path) -> bytes:
    """The beginning and the end of a file, which is enough to see what it is.

    Every format looks into every file, so that what was read is kept as long as the file is the same.
    """
    try:
        status = path.stat()
        key = (str(path), status.st_ino, status.st_size, status.st_mtime_ns)
        if key in _ends:
            return _ends[key]
        with open(path, "rb", opener=open_regular) as stream:
            head = stream.read(_HEAD)
            size = stream.seek(0, 2)
            stream.seek(max(size - _HEAD, len(head)))
            ends = _as_utf8(head + stream.read())
    except OSError:
        return b""  # a detector only asks what a file looks like; whoever reads it will say why it cannot be
    if time.time_ns() - status.st_mtime_ns > _SETTLED:
        if len(_ends) >= _MOST_ENDS:
            del _ends[next(iter(_ends))]
        _ends[key] = ends
    return ends


_ends: dict[tuple[str, int, int, int], bytes] = {}
"""By path, inode, size and time of change, the first read first."""


def _as_utf8(data: bytes) -> bytes:
    """Windows' own tools write UTF-16, which its BOM tells."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace").encode("utf-8", "replace")
    return data


def find_words(path: Path, words: Sequence[bytes]) -> list[bool]:
    """Which of the words stand anywhere in a file, of which a piece is in memory at a time."""
    found, overlap = [False] * len(words), max(map(len, words)) - 1
    try:
        with open(path, "rb", opener=open_regular) as stream:
            end = b""
            while not all(found) and (piece := stream.read(_LONG_PIECE)):
                text = end + piece
                found = [known or word in text for known, word in zip(found, words, strict=True)]
                end = text[-overlap:]
    except OSError:
        return [False] * len(words)  # as with its ends
    return found


def decode_text(data: bytes, path: Path) -> str:
    """UTF-8 text, with or without a BOM, or UTF-16 with one."""
    try:
        return _as_utf8(data).decode("utf-8-sig")
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
    return [line.strip() for line in decode_text(read_bytes(path), path).split("\n")]


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
    text = read_ends(path).strip(b"\xef\xbb\xbf \r\n\t\0")
    if not text.endswith((b"}", b"]")):
        parse_json(read_bytes(path), path)


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
