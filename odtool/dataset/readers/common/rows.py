"""Text files of any length, a row at a time: numbered lines, and CSV rows brought together by their first cell."""

from __future__ import annotations

import csv
from array import array
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from odtool.dataset.readers.common import parsing

Row = tuple[int, list[str]]
"""A line's number and its cells, stripped."""
_HEAD = 1 << 14


def opening(path: Path) -> list[str]:
    """The first lines of a file, for detectors; none where it cannot be read or is no text."""
    try:
        with open(path, "rb", opener=parsing.regular) as stream:
            head = stream.read(_HEAD)
    except OSError:
        return []  # a detector only asks what a file looks like; whoever reads it will say why it cannot be
    whole = head if len(head) < _HEAD else head.rpartition(b"\n")[0]
    try:
        return whole.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return []


def numbered(stream: Iterable[bytes], path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers from 1 and without what surrounds them.

    Raises:
        DataError: a line is not UTF-8.
    """
    for number, line in enumerate(stream, start=1):
        if text := _decoded(line, path, number).strip():
            yield number, text


def is_number(word: str) -> bool:
    """Whether a word is a number; detectors tell formats apart by where the class stands."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def cells_of(text: str, path: Path, number: int) -> list[str]:
    """The cells of one CSV line."""
    if '"' not in text:
        return [cell.strip() for cell in text.split(",")]
    try:
        return [cell.strip() for cell in next(csv.reader([text], strict=True, skipinitialspace=True))]
    except (csv.Error, StopIteration) as error:
        raise parsing.broken(path, number, f"broken CSV: {error}") from None


def grouped(stream: BinaryIO, path: Path, *, header: bool) -> Iterator[list[Row]]:
    """The rows of a CSV file, those with the same first cell together, in the order of their first mention.

    The file is read twice. Where equal keys stand side by side, one group is in memory at a time; where they do not,
    so are the places of all rows, 16 bytes each, but never the rows.
    """
    first = 2 if header else 1
    if header:
        stream.readline()
    elif stream.read(len(BOM_UTF8)) != BOM_UTF8:
        stream.seek(0)
    start = stream.tell()
    scattered = _scattered(stream, start)
    stream.seek(start)
    yield from _gathered(stream, path, first) if scattered else _neighbours(stream, path, first)


def _neighbours(stream: BinaryIO, path: Path, first: int) -> Iterator[list[Row]]:
    last, group = b"", list[Row]()
    for number, line in enumerate(stream, start=first):
        if not line.strip():
            continue
        key = _key(line)
        if group and key != last:
            yield group
            group = []
        last = key
        group.append((number, cells_of(_decoded(line, path, number).strip(), path, number)))
    if group:
        yield group


def _gathered(stream: BinaryIO, path: Path, first: int) -> Iterator[list[Row]]:
    places: dict[bytes, array[int]] = {}
    offset = stream.tell()
    for number, line in enumerate(stream, start=first):
        if line.strip():
            places.setdefault(_key(line), array("Q")).extend((number, offset))
        offset += len(line)
    for found in places.values():
        group = []
        for number, offset in zip(found[::2], found[1::2], strict=True):
            stream.seek(offset)
            text = _decoded(stream.readline(), path, number).strip()
            group.append((number, cells_of(text, path, number)))
        yield group


def _scattered(stream: BinaryIO, start: int) -> bool:
    """Whether a key comes back after another one. That a file is sorted can be seen without remembering keys."""
    last = b""
    for line in stream:
        key = _key(line)
        if key < last:
            break
        last = key
    else:
        return False
    stream.seek(start)
    last, seen = b"", set[int]()
    for line in stream:
        key = _key(line)
        if key != last and key:
            if hash(key) in seen:
                return True
            seen.add(hash(key))
            last = key
    return False


def _key(line: bytes) -> bytes:
    """The first cell, as it is spelt."""
    if line[:1] == b'"':
        return line[1 : line.find(b'"', 1)].strip()
    return line.partition(b",")[0].strip()


def _decoded(line: bytes, path: Path, number: int) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        raise parsing.broken(path, number, "not UTF-8 text", "Save it as UTF-8.") from None
