"""Reading a job's log: its last lines, what is being added, and the last error in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from odtool import state_files
from odtool.errors import JobError
from odtool.state_files import StateError

_BLOCK = 1 << 16
_LONGEST_ERROR = 300
"""Characters of a log line that a status line can bear."""

_ERROR = re.compile(
    r"""^(
        ([A-Za-z_]\w*\.)*[A-Z]\w*(Error|Exception|Interrupt|Exit)(:\s.*)?  # the last line of a Python traceback
      | (\S+:\s)?(fatal|error)\b.*?:.*                                     # what commands print
      | Fatal\ Python\ error:.*                                            # faulthandler
    )$""",
    re.VERBOSE | re.IGNORECASE,
)


_WARNING = re.compile(r"^(\d\d:\d\d:\d\d )?(\S+:\d+: )?(\w*Warning|warning|WARNING): ?\S")
"""As the engine writes them, after the time, and as Python does, after the file's line."""


def open_to_append(path: Path) -> BinaryIO:
    """The log for what a job will write; it is made where there is none.

    Raises:
        JobError: something else than a file is there: what is written into a pipe would wait for somebody to read it.
    """
    with suppress(FileNotFoundError):
        _open(path).close()
    return path.open("ab", buffering=0)


def find_error(text: str) -> str:
    """The last error in a log's text, else its last line with anything in it, else ''."""
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", text) if line.strip()]
    errors = [line for line in lines if _ERROR.match(line)]
    line = (errors or lines or [""])[-1].strip()
    return line if len(line) <= _LONGEST_ERROR else line[: _LONGEST_ERROR - 1] + "…"


def find_last_error(path: Path, offset: int) -> str:
    """The last error in the final 64 KiB that were written to the log after `offset` bytes; '' where there is none."""
    try:
        with state_files.open_stream(path) as stream:
            size = stream.seek(0, 2)
            stream.seek(max(offset, size - _BLOCK))
            return find_error(stream.read().decode(errors="replace"))
    except (FileNotFoundError, StateError):
        return ""


def find_last_warning(path: Path, offset: int) -> str:
    """The last warning in the final 64 KiB that were written after `offset` bytes; '' where there is none."""
    try:
        with state_files.open_stream(path) as stream:
            size = stream.seek(0, 2)
            stream.seek(max(offset, size - _BLOCK))
            lines = re.split(r"[\r\n]+", stream.read().decode(errors="replace"))
    except (FileNotFoundError, StateError):
        return ""
    warning = next((line.strip() for line in reversed(lines) if _WARNING.match(line)), "")
    return warning if len(warning) <= _LONGEST_ERROR else warning[: _LONGEST_ERROR - 1] + "…"


def find_tail_offset(path: Path, lines: int) -> int:
    """Where the last `lines` lines begin, in bytes; reads backwards, so a huge log costs no more than a small one."""
    with _open(path) as stream:
        end = stream.seek(0, 2)
        if lines <= 0 or end == 0:
            return end
        # A newline at the very end closes the last line and begins none.
        stream.seek(end - 1)
        end -= stream.read(1) == b"\n"
        while end > 0:
            begin = max(0, end - _BLOCK)
            stream.seek(begin)
            block = stream.read(end - begin)
            if (newlines := block.count(b"\n")) >= lines:
                return begin + _find_newline_from_end(block, lines) + 1
            lines -= newlines
            end = begin
    return 0


def _open(path: Path) -> BinaryIO:
    """Raises JobError where something else than a file is there, for which a reader might wait for ever."""
    try:
        return state_files.open_stream(path)
    except StateError as error:
        raise JobError(f"{path}: {error}", "Move it away: the next start makes another.") from None


def _find_newline_from_end(block: bytes, count: int) -> int:
    position = len(block)
    for _ in range(count):
        position = block.rfind(b"\n", 0, position)
    return position


def follow(path: Path, offset: int, *, ended: Callable[[], bool]) -> Iterator[bytes]:
    """Yields what is written to the log after `offset`, until the job has ended and everything has been yielded.

    Yields b"" whenever there is nothing more for now, so that the caller can wait or look at something else.
    """
    while True:
        over = ended()  # asked before reading: what was written up to the end is still read below
        for block in _read_backwards(path, offset):
            offset += len(block)
            yield block
        if over:
            return
        yield b""


def _read_backwards(path: Path, offset: int) -> Iterator[bytes]:
    try:
        with _open(path) as stream:
            stream.seek(offset)
            while block := stream.read(_BLOCK):
                yield block
    except FileNotFoundError:
        return
