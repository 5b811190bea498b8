"""Files and folders that appear whole or not at all, and stay."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
"""linux/fs.h: swap two paths in one step, both of which exist."""
_SHOWN = 32
"""Characters of a file's name that its temporary one begins with; with all of them it could become too long."""
_MOST_LATE = 1000
"""Files that may appear in a folder while it is removed."""
_RESERVE = 1 << 16
"""Bytes: for some small files, and what a log grows by beside them."""


def sync(path: Path) -> None:
    """Waits until a file's bytes, or the names in a folder, would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replaces `path` with `content` in one step; a crash leaves the old file or the new one.

    What a killed call for the same path has left is cleared up. The folder has to be there: who writes into a run that
    was moved or deleted meanwhile must not make it anew.

    Raises:
        OSError: the folder cannot be written, is not there, or the disk is full; nothing is left behind.
    """
    with _naming(path), _open_temporary(path) as (descriptor, temporary):
        _write(descriptor, content)
        temporary.replace(path)


def create_atomically(path: Path, content: str | bytes, *, rights: int = 0o666) -> None:
    """Makes the file `path` with `content` in one step: of several processes that do it at once, one does.

    Args:
        rights: those that the umask may leave.

    Raises:
        FileExistsError: it is there already.
        OSError: as of `write_atomically`.
    """
    with _naming(path), _open_temporary(path, rights) as (descriptor, temporary):
        _write(descriptor, content)
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links, where nobody else may see it half written
            _create_in_place(path, content, rights)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A hidden file beside `path` to be written, which takes its place when the block ends well and else vanishes.

    What a killed call for the same path has left is cleared up.

    Raises:
        OSError: as of `write_atomically`.
    """
    with ExitStack() as stack:
        with _naming(path):
            _, temporary = stack.enter_context(_open_temporary(path))
        yield temporary
        with _naming(path):
            sync(temporary)
            temporary.replace(path)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Errors name this file: of a full disk write() names none, and nobody knows the temporary one."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _create_in_place(path: Path, content: str | bytes, rights: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, rights)
    try:
        _write(descriptor, content)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _write(descriptor: int, content: str | bytes) -> None:
    with os.fdopen(descriptor, "wb", closefd=False) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
    os.fsync(descriptor)


@contextmanager
def _open_temporary(path: Path, rights: int = 0o666) -> Iterator[tuple[int, Path]]:
    """A file beside `path` that is locked for as long as it is written, with the rights that the umask leaves."""
    _clear_leftovers(path)
    descriptor, temporary = _create_locked(path, rights)
    try:
        yield descriptor, temporary
    finally:
        temporary.unlink(missing_ok=True)
        os.close(descriptor)


def _create_locked(path: Path, rights: int) -> tuple[int, Path]:
    while True:
        temporary = path.with_name(f".{path.name[:_SHOWN]}.{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, rights)
        with suppress(OSError):  # a file system without locks, where nothing is cleared up either
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if temporary.exists():  # not taken for a leftover between the two calls
            return descriptor, temporary
        os.close(descriptor)


def _clear_leftovers(path: Path) -> None:
    """Deletes the temporary files of killed calls: those that nobody holds a lock on."""
    names = re.compile(re.escape(f".{path.name[:_SHOWN]}.") + r"[0-9a-z_]{8}")
    with os.scandir(path.parent) as entries:
        leftovers = [Path(entry.path) for entry in entries if names.fullmatch(entry.name)]
    for leftover in leftovers:
        with suppress(OSError):
            descriptor = os.open(leftover, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                leftover.unlink()
            finally:
                os.close(descriptor)


def keep_reserve(path: Path) -> None:
    """Takes space on the disk for `write_from_reserve`.

    Raises:
        OSError: there is none.
    """
    path.parent.mkdir(exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        os.posix_fallocate(descriptor, 0, _RESERVE)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error  # the call names no file
    finally:
        os.close(descriptor)


def write_from_reserve(path: Path, content: str | bytes, reserve: Path) -> None:
    """`write_atomically`, which on a full disk gives up the reserve for it; makes the folder, but not that above it."""
    path.parent.mkdir(exist_ok=True)
    try:
        write_atomically(path, content)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        reserve.unlink(missing_ok=True)
        write_atomically(path, content)


def append_line(path: Path, line: bytes) -> None:
    """Appends a line, or several that belong together, whole or not at all.

    In a single write under a lock, so that lines of two processes never mix and a stump is still the last.

    Args:
        line: ends with a newline.

    Raises:
        OSError: it could not be written whole, as on a full disk; nothing of it stays.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        # A process killed in the middle of a line leaves it open; the next line must not be glued to it.
        is_open = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        data = b"\n" + line if is_open else line
        count = os.write(descriptor, data)
        if count < len(data):
            os.ftruncate(descriptor, size)
            raise OSError(errno.ENOSPC, f"only {count} of {len(data)} bytes could be written; is the disk full?")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # os.write names no file
    finally:
        os.close(descriptor)


def replace_folder(incoming: Path, place: Path, outgoing: Path) -> None:
    """Puts the folder `incoming` in the place of whatever is at `place`, in one step where the file system can.

    What was there is at `incoming` or at `outgoing` afterwards. Where two names cannot be exchanged (NFS), a process
    killed between two renames leaves nothing at `place`, and what was there at `outgoing`.

    Raises:
        OSError: it cannot be done; what was at `place` is still there.
    """
    if not os.path.lexists(place):
        incoming.rename(place)
    elif not _exchange(incoming, place):
        place.rename(outgoing)
        try:
            incoming.rename(place)
        except OSError:
            outgoing.rename(place)
            raise


def remove_contested(folder: Path) -> None:
    """Removes a folder that workers which nobody waits for may still be putting files into, one at most each."""
    for _ in range(_MOST_LATE):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
    shutil.rmtree(folder)  # says why it cannot


def _exchange(first: Path, second: Path) -> bool:
    """Swaps two names in one step; False where the system or file system cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(second))
