"""Why the system refused something: memory, disk, quota, file handles or the size of a file ran out, or may not be had.

TensorFlow has one class of error for most of them (ResourceExhaustedError), so a class says nothing: the errno does, or
the message, and the state of the file system then says which disk it is.
"""

from __future__ import annotations

import errno
import os
import re
import resource
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from odtool.errors import RefusedError
from odtool.units import format_bytes

Kind = Literal["memory", "disk", "quota", "handles", "file size", "read-only", "denied"]
_BY_ERRNO: dict[int, Kind] = {
    errno.ENOMEM: "memory",
    errno.ENOSPC: "disk",
    errno.EDQUOT: "quota",
    errno.EMFILE: "handles",
    errno.ENFILE: "handles",
    errno.EFBIG: "file size",
    errno.EROFS: "read-only",
    errno.EACCES: "denied",
    errno.EPERM: "denied",
}
_BY_MESSAGE: tuple[tuple[str, Kind], ...] = (
    (r"No space left on device", "disk"),
    (r"[Dd]isk quota exceeded", "quota"),
    (r"Too many open files", "handles"),
    (r"File too large", "file size"),
    (r"Read-only file system", "read-only"),
    (r"; (Permission denied|Operation not permitted)", "denied"),
    (
        r"CUDA_ERROR_OUT_OF_MEMORY|OOM when allocating|[Oo]ut of memory|[Ff]ailed to allocate|Cannot allocate memory"
        r"|CU(DNN|BLAS)_STATUS_ALLOC_FAILED|cublas handle: the resource allocation failed|would exceed memory"
        # A copy to a GPU that could not be allocated there, as InternalError (tensorflow/tensorflow, issue 7025).
        r"|Dst tensor is not initialized"
        # oneDNN's dnnl_out_of_memory, by which TensorFlow's operations on the CPU fail, as AbortedError.
        r"|Operation received an exception:\s*Status: 1\b",
        "memory",
    ),
)
_PATH = re.compile(
    r"(/[^;:'\"\n]+?)['\"]?[;:] "
    r"(?:No space|[Dd]isk quota|File too large|Read-only|Permission denied|Operation not permitted)"
)
"""The file that a message of TensorFlow names before the cause."""


@dataclass(frozen=True)
class Shortage:
    """What ran out or was refused, and the words that say so."""

    kind: Kind
    evidence: str
    path: Path | None = None
    """The file that was being written, where that is known."""

    @property
    def is_of_memory(self) -> bool:
        """Whether less to do at once could help."""
        return self.kind == "memory"


def find(error: BaseException) -> Shortage | None:
    """What was refused, by an error or those that it follows from; None where it is none of this."""
    for cause in _list_causes(error):
        shortage = _find_in_one(cause)
        # What was denied while another error was dealt with need not have to do with it: many a refusal is expected.
        if shortage and (cause is error or cause is error.__cause__ or shortage.kind not in ("read-only", "denied")):
            return shortage
    return None


def _find_in_one(error: BaseException) -> Shortage | None:
    if isinstance(error, OSError) and (kind := _BY_ERRNO.get(error.errno or 0)):
        name = error.filename if isinstance(error.filename, (str, bytes)) else None
        return Shortage(kind, str(error), None if name is None else Path(os.fsdecode(name)))
    if isinstance(error, MemoryError):
        return Shortage("memory", str(error) or "MemoryError")
    return find_in_text(str(error))


def find_in_text(text: str) -> Shortage | None:
    """What ran out, by the first words in a text that say so."""
    matches = [(match.start(), kind) for words, kind in _BY_MESSAGE if (match := re.search(words, text))]
    if not matches:
        return None
    position, kind = min(matches)
    line = text[text.rfind("\n", 0, position) + 1 :].partition("\n")[0].strip()
    named = _PATH.search(line)
    return Shortage(kind, line, Path(named[1]) if named else None)


def _list_causes(error: BaseException) -> Iterator[BaseException]:
    visited: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop()
        if cause is not None and id(cause) not in visited:
            visited.add(id(cause))
            yield cause
            waiting += [cause.__context__, cause.__cause__]


def to_error(error: BaseException, *places: Path) -> RefusedError | None:
    """The same error as one with a hint, where something else than memory ran out; None where it is another.

    Args:
        places: see `describe`.
    """
    shortage = find(error)
    return None if shortage is None or shortage.is_of_memory else RefusedError(*describe(shortage, *places))


def describe(shortage: Shortage, *places: Path) -> tuple[str, str]:
    """A shortage in words with what is free now, and what to do.

    Args:
        places: where it may have been writing, the likeliest first, where the shortage does not say.
    """
    if shortage.kind == "memory":
        return f"out of memory: {shortage.evidence}", "Use a smaller batch or smaller images, or another device."
    if shortage.kind in ("disk", "quota", "read-only"):
        return _describe_place(shortage.kind, _find_place(shortage, places))
    if shortage.kind == "handles":
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return f"too many files are open (ulimit -n allows {soft:,})", "Raise the limit, as with: ulimit -n 65536"
    if shortage.kind == "file size":
        return f"a file would be larger than allowed: {shortage.evidence}", "See ulimit -f, or use another file system."
    what = shortage.evidence if shortage.path is None else shortage.path
    return f"permission denied: {what}", "Give yourself the right to read and write there, or use another folder."


def _describe_place(kind: Kind, place: Path) -> tuple[str, str]:
    if kind == "quota":
        return f"the disk quota at {place} is used up", "Delete what you do not need there, or write to another disk."
    if kind == "read-only":
        return f"the disk at {_find_mount(place)} is read-only", "Mount it to be written, or write to another disk."
    return describe_disk(place), "Free some space there, or write to another disk."


def describe_disk(path: Path) -> str:
    """'the disk at /data is full (0 bytes of 14.7 MB are free)'."""
    place = _find_existing(path)
    state = os.statvfs(place)
    free, total = state.f_bavail * state.f_frsize, state.f_blocks * state.f_frsize
    mount = _find_mount(place)
    if state.f_files and not state.f_favail:
        return f"the disk at {mount} is full: it has room for no other file (all {state.f_files:,} inodes are in use)"
    return f"the disk at {mount} is full ({format_bytes(free)} of {format_bytes(total)} are free)"


def measure_free(path: Path) -> int:
    """Bytes that this user may still write to the file system of a path."""
    state = os.statvfs(_find_existing(path))
    return state.f_bavail * state.f_frsize


def _find_place(shortage: Shortage, places: tuple[Path, ...]) -> Path:
    if shortage.path is not None:
        return shortage.path
    places = (*places, Path(tempfile.gettempdir()))
    if shortage.kind == "read-only":
        return next((place for place in places if _is_read_only(place)), places[0])
    return min(places, key=measure_free)


def _is_read_only(path: Path) -> bool:
    return bool(os.statvfs(_find_existing(path)).f_flag & os.ST_RDONLY)


def _find_mount(path: Path) -> Path:
    mount = _find_existing(path).resolve()
    while not mount.is_mount():
        mount = mount.parent
    return mount


def _find_existing(path: Path) -> Path:
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
