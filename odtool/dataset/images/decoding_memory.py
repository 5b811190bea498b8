"""Memory for pixels: asked for before an image is decoded, by the size in its header, and shared by a crew's workers.

A file of some kilobytes may hold a thousand million pixels. Where several workers decode such files at once, each may
fit alone and all together not: then the kernel kills one of them. So what takes much is decoded by one at a time, what
takes a little by all, and what does not fit even alone is refused.
"""

from __future__ import annotations

import fcntl
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from odtool.dataset.images.image_error import ImageError
from odtool.units import format_bytes

SMALL = 64 << 20
"""Bytes that any process may take without asking: those of a photograph of eight million pixels."""
_SPARE = 64 << 20
"""Bytes left to all else, such as images that are decoded without asking."""
_CGROUPS = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 60
"""Version 1 of control groups writes 'no limit' as the largest whole number of pages."""


@dataclass
class _Share:
    """What this process has of the memory for pixels."""

    lock: str = ""
    """The file by whose lock the processes of a crew take turns; empty outside of one."""
    workers: int = 1
    size: int = 0
    """Bytes that are reserved now."""
    descriptor: int = -1


_share = _Share()
_turn = threading.RLock()
"""Held by the thread that has reserved something."""


@contextmanager
def open_lock() -> Iterator[str]:
    """The path of a lock for a crew, which other processes of this user can open and which leaves no file behind."""
    descriptor = os.memfd_create("odtool-decoding", os.MFD_CLOEXEC)
    try:
        yield f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)


def join_crew(lock: str, workers: int) -> None:
    """From now on this process takes turns with the others that have the lock; with an empty one it stands alone."""
    _share.lock, _share.workers = lock, workers


@contextmanager
def reserve(size: int, what: str) -> Iterator[None]:
    """Runs with memory for pixels, after waiting until no other process of the crew needs it.

    May be nested: what is reserved already is not asked for again.

    Args:
        size: bytes.
        what: is said in the error, such as '30000x30000 pixels'.

    Raises:
        ImageError: there is less, or it ran out all the same.
    """
    if size <= SMALL:
        with _report_memory_error(what):
            yield
        return
    with _turn:
        before = _share.size
        try:
            if size > before:
                _claim(size, what)
                _share.size = size
            with _report_memory_error(what):
                yield
        finally:
            _share.size = before
            if not before:
                _release()


def _claim(size: int, what: str) -> None:
    if _share.lock:
        if _share.descriptor < 0:
            # Opened by its path: an inherited descriptor would share its lock with the process that it is from.
            _share.descriptor = os.open(_share.lock, os.O_RDWR | os.O_CLOEXEC)
        # Half of the memory, for all workers together, is taken without waiting for the others.
        is_fair = size <= measure_available() // (2 * _share.workers)
        fcntl.flock(_share.descriptor, fcntl.LOCK_SH if is_fair else fcntl.LOCK_EX)
    if (available := measure_available()) < size + _SPARE:
        raise ImageError(
            "image_too_large",
            f"{what} take {format_bytes(size)} of memory to decode, and {format_bytes(max(available, 0))} are free",
        )


def _release() -> None:
    if _share.descriptor >= 0:
        os.close(_share.descriptor)
        _share.descriptor = -1


@contextmanager
def _report_memory_error(what: str) -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise ImageError("image_too_large", f"{what} take more memory to decode than there is") from None


def measure_available() -> int:
    """Bytes that this process may still take: of the machine, of its control groups and by its own limit (ulimit -v).

    Files that the kernel only caches count as free.
    """
    limits = [_read_fields(Path("/proc/meminfo")).get("MemAvailable", _NO_LIMIT >> 10) << 10]
    limits += [limit for group in _list_cgroups() if (limit := _measure_cgroup(group)) is not None]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        limits.append(soft - (_read_fields(Path("/proc/self/status"))["VmSize"] << 10))
    return min(limits)


def _list_cgroups() -> Iterator[Path]:
    """The control groups of this process that may limit memory, from the innermost to the outermost.

    Within a container the names may be those of the machine, of which only the outermost is to be seen.
    """
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, name = rest.partition(":")
        if number != "0" and "memory" not in controllers.split(","):
            continue
        root = _CGROUPS if number == "0" else _CGROUPS / "memory"
        group = root / name.strip("/")
        yield from (group, *(parent for parent in group.parents if parent.is_relative_to(root)))


def _measure_cgroup(group: Path) -> int | None:
    """Bytes that a control group has left; None where it has no limit or cannot be read."""
    for limit_name, used_name, prefix in (
        ("memory.max", "memory.current", ""),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
    ):
        limit, used = _read(group / limit_name).strip(), _read(group / used_name).strip()
        if limit.isdecimal() and used.isdecimal() and int(limit) < _NO_LIMIT:
            fields = _read_fields(group / "memory.stat")
            cached = sum(fields.get(f"{prefix}{name}_file", 0) for name in ("active", "inactive"))
            return int(limit) - int(used) + cached
    return None


def _read_fields(path: Path) -> dict[str, int]:
    """The first number of each line, by its name."""
    lines = [line.replace(":", " ").split() for line in _read(path).splitlines()]
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdecimal()}


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
