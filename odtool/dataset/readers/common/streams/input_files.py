"""Files of annotations as bytes: opened in one place, which waits for no pipe; whole, in pieces or their ends."""

from __future__ import annotations

import codecs
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from odtool.dataset.readers.common.faults import AnnotationError

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
            ends = as_utf8(head + stream.read())
    except OSError:
        return b""  # a detector only asks what a file looks like; whoever reads it will say why it cannot be
    if time.time_ns() - status.st_mtime_ns > _SETTLED:
        if len(_ends) >= _MOST_ENDS:
            del _ends[next(iter(_ends))]
        _ends[key] = ends
    return ends


_ends: dict[tuple[str, int, int, int], bytes] = {}
"""By path, inode, size and time of change, the first read first."""


def as_utf8(data: bytes) -> bytes:
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
