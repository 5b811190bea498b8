"""Temporary folders: gone when their process ends, and what one that was killed has left, the next removes."""

from __future__ import annotations

import atexit
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "odtool-temporary-"
"""Folders of this name are locked for as long as their processes live; one that is not belongs to nobody any more."""
_NAME = re.compile(re.escape(_PREFIX) + r"[0-9a-z_]{8}")
_kept: list[tuple[Path, int, int]] = []
"""Those that last as long as a process, with the descriptors that hold their locks and the pid: who is forked leaves
alone what was made before."""


@contextmanager
def make() -> Iterator[Path]:
    """An empty folder, where TMPDIR says, that lasts as long as the block.

    Raises:
        OSError: it cannot be made, as on a full disk.
    """
    folder, descriptor = _make_locked()
    try:
        yield folder
    finally:
        _remove(folder, descriptor)


def make_until_exit() -> Path:
    """An empty folder that lasts as long as this process. Raises as `make` does."""
    folder, descriptor = _make_locked()
    if not _kept:
        atexit.register(remove_kept)
    _kept.append((folder, descriptor, os.getpid()))
    return folder


def keep_own() -> None:
    """From now on this process, its libraries and whatever it starts have their temporary files in a folder of its own.

    TensorFlow writes the code that AutoGraph makes there, and removes it only at an orderly end. Where no folder can
    be made, all stays as it is: who needs the space will say so.
    """
    with suppress(OSError):
        tempfile.tempdir = os.environ["TMPDIR"] = str(make_until_exit())


def remove_kept() -> None:
    """Removes what `make_until_exit` has made: for a process that ends without the functions of atexit."""
    while _kept:
        folder, descriptor, pid = _kept.pop()
        if pid == os.getpid():
            _remove(folder, descriptor)


def _make_locked() -> tuple[Path, int]:
    parent = tempfile.gettempdir()
    _clear_leftovers(parent)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        with suppress(OSError):  # a file system without locks, where nothing is cleared up either
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if folder.exists():  # not taken for a leftover between the two calls
            return folder, descriptor
        os.close(descriptor)


def _remove(folder: Path, descriptor: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(descriptor)


def _clear_leftovers(parent: str) -> None:
    with os.scandir(parent) as entries:
        leftovers = [entry.path for entry in entries if _NAME.fullmatch(entry.name)]
    for leftover in leftovers:
        with suppress(OSError):  # it is in use, or somebody else's
            descriptor = os.open(leftover, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(descriptor).st_uid == os.getuid():
                    shutil.rmtree(leftover, ignore_errors=True)
            finally:
                os.close(descriptor)
