"""The text of a JSON document from a place on: one value after the other, decoded by the standard library."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from odtool.dataset.readers.common import parsing
from odtool.dataset.readers.common.faults import AnnotationError

_PIECE = 1 << 20
"""Bytes read at first for one value."""
_MOST_VALUE = 1 << 26
"""Characters. A longer value is hardly the annotation of one image, and would have to be in memory as a whole."""
_NEAR_END = 16
"""Characters at the end of what is in memory at which a value that is cut off breaks: a name such as -Infinity."""
_COMMA = re.compile(r"[ \t\n\r]*,[ \t\n\r]*(?=[^ \t\n\r])")
"""What lies between two values, where all of it is in memory."""
_BLANKS = re.compile(r"[ \t\n\r]*")
_ENDS = frozenset(" \t\n\r,:]}")
"""What follows a whole value: a number may go on after '0' or '0.'."""
_NO_VALUE = frozenset(("", *" \t\n\r"))
_decode = json.JSONDecoder().raw_decode
_MARKS = {"utf-8-sig": ("utf-8", 3), "utf-16": ("utf-16", 2), "utf-32": ("utf-32", 4)}
"""By what json.detect_encoding calls a text with a byte order mark, its encoding and the bytes of the mark."""


@dataclass(frozen=True)
class JsonPlace:
    """Where a value begins."""

    offset: int
    """In bytes."""
    line: int
    column: int
    """Both from 1."""
    opening: str
    """Its first character."""


class JsonText:
    """A document from a place on. No more than a value and a piece are in memory.

    Values are those of json.loads, which takes NaN, numbers of any length and lone surrogates as exporters write them;
    so is what is said of a fault, and lines and columns are the document's.

    Args:
        path: only named in errors.
        place: of the value to begin with; the beginning where there is none.
    """

    def __init__(self, stream: BinaryIO, path: Path, place: JsonPlace | None = None) -> None:
        self._stream, self._path = stream, path
        stream.seek(0)
        self._encoding, start = _detect_encoding(stream.read(4))
        self._decoder = codecs.getincrementaldecoder(self._encoding)("surrogatepass")
        stream.seek(place.offset if place else start)
        self._buffer, self._at = "", 0
        self._line = place.line if place else 1
        # Characters of the line that stand before the buffer, and where in the buffer the line begins.
        self._before, self._line_start = place.column - 1 if place else 0, 0

    def peek(self) -> str:
        """The next character that is not blank; '' at the end."""
        while True:
            start = self._at
            self._at = _BLANKS.match(self._buffer, start).end()  # type: ignore[union-attr]  # it matches nothing, too
            self._count_lines(start, self._at)
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._read_more(_PIECE):
                return ""

    def take(self, character: str, what: str) -> None:
        """Goes past a character, which must be there. `what` says of the error what is expected."""
        if self.peek() != character:
            raise self.error(what)
        self._at += 1

    def mark(self) -> JsonPlace:
        """The place of the next value."""
        opening = self.peek()
        pending = len(self._decoder.getstate()[0]) + len(self._encode(self._buffer[self._at :]))
        return JsonPlace(self._stream.tell() - pending, self._line, self._column(self._at), opening)

    def iterate_list(self) -> Iterator[Any]:
        """The values of the list that stands next."""
        return (value for _, value in self.iterate_numbered())

    def iterate_numbered(self) -> Iterator[tuple[int, Any]]:
        """The values of the list that stands next, each with the line on which it begins."""
        self.take("[", "Expecting value")
        if self.peek() == "]":
            self._at += 1
            return
        while True:
            yield self._line, self.read_value()
            if comma := _COMMA.match(self._buffer, self._at):
                self._count_lines(self._at, comma.end())
                self._at = comma.end()
                continue
            if self.peek() == "]":
                self._at += 1
                return
            self.take(",", "Expecting ',' delimiter")
            self.peek()

    def iterate_keys(self) -> Iterator[str]:
        """The keys of the object that stands next. Whoever takes one reads its value before asking for the next."""
        self.take("{", "Expecting value")
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            if self.peek() != '"':
                raise self.error("Expecting property name enclosed in double quotes")
            key = str(self.read_value())
            self.take(":", "Expecting ':' delimiter")
            self.peek()
            yield key
            if self.peek() == "}":
                self._at += 1
                return
            self.take(",", "Expecting ',' delimiter")

    def read_value(self) -> Any:
        """The next value. What may go on after the end of what is in memory is read again with more of it."""
        if self._buffer[self._at : self._at + 1] in _NO_VALUE:
            self.peek()
        size = _PIECE
        while True:
            value, end, error = self._decode_next()
            is_whole = error is None and end < len(self._buffer) and self._buffer[end] in _ENDS
            may_go_on = error is None or error.msg.startswith("Unterminated") or end >= len(self._buffer) - _NEAR_END
            if is_whole or not may_go_on or not self._read_more(size):
                break
            size *= 2
            if len(self._buffer) - self._at > _MOST_VALUE:
                raise parsing.line_error(self._path, self._line, f"a value of more than {_MOST_VALUE >> 20} MB")
        self._count_lines(self._at, end)
        if error is not None:
            raise self.error(error.msg, end)
        self._at = end
        return value

    def _decode_next(self) -> tuple[Any, int, json.JSONDecodeError | None]:
        """The value in the buffer and where it ends; where it is broken or cut off, the fault and its place."""
        try:
            return *_decode(self._buffer, self._at), None
        except json.JSONDecodeError as error:
            return None, error.pos, error
        except RecursionError:
            raise parsing.line_error(self._path, self._line, "broken JSON: nested too deeply") from None
        except ValueError as error:
            raise parsing.line_error(self._path, self._line, f"broken JSON: {error}") from None

    def require_end(self) -> None:
        """Raises AnnotationError where anything follows."""
        if following := self.peek():
            if following in "{[" and self._column(self._at) == 1:
                raise parsing.json_lines_error(self._path, self._line)
            raise self.error("Extra data")

    def error(self, what: str, position: int | None = None) -> AnnotationError:
        """The error for what stands at a position of the buffer, the next character by default."""
        column = self._column(self._at if position is None else position)
        return parsing.line_error(self._path, self._line, f"broken JSON: {what} (column {column})")

    def _column(self, position: int) -> int:
        return self._before + position - self._line_start + 1

    def _count_lines(self, start: int, end: int) -> None:
        """Takes note of the line breaks between two positions of the buffer."""
        if count := self._buffer.count("\n", start, end):
            self._line += count
            self._before, self._line_start = 0, self._buffer.rfind("\n", start, end) + 1

    def _read_more(self, size: int) -> bool:
        piece = self._stream.read(size)
        try:
            text = self._decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            line = self._line + self._buffer.count("\n", self._at) + error.object[: error.start].count(b"\n")
            raise parsing.line_error(self._path, line, "broken JSON: not UTF-8 text") from None
        if piece:  # which may end within a character, and then gives no text
            self._before += self._at - self._line_start
            self._line_start = 0
            self._buffer = self._buffer[self._at :] + text
            self._at = 0
        return bool(piece)

    def _encode(self, text: str) -> bytes:
        return text.encode(self._encoding, "surrogatepass")


def _detect_encoding(head: bytes) -> tuple[str, int]:
    """The encoding of a document by its first four bytes, as json.loads tells it, and the bytes of its mark."""
    name, length = _MARKS.get(found := json.detect_encoding(head), (found, 0))
    if length and name != "utf-8":
        little = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF32_LE))
        name += "-le" if little else "-be"
    return name, length
