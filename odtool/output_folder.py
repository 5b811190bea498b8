"""Output folders: written hidden beside their place and swapped in whole, one writer at a time."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from odtool import files, locks, parts, shortage
from odtool.errors import DataError

_LONGEST = 200
"""Bytes of a name; file systems take 255 with what is added."""


def refuse_foreign(out: Path, record: str, *, owned: re.Pattern[str] | None = None) -> None:
    """Raises DataError where `out` is not a folder that may be replaced: absent, empty, or written by odtool.

    Args:
        record: name of the file by which odtool knows a folder of its own.
        owned: matches the names of all that it writes there; any other file is foreign.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise DataError(f"{out}: is a file, not a folder", "Name another folder with --out.")
    names = sorted(entry.name for entry in out.iterdir())
    foreign = [name for name in names if owned is not None and not owned.fullmatch(name)]
    hint = "It would replace the whole folder: name another one with --out, or move those files away."
    if foreign:
        raise DataError(f"{out}: holds files that odtool did not write, such as {foreign[0]}", hint)
    if names and not (out / record).is_file():
        raise DataError(f"{out}: holds files but no {record}, so odtool did not write it", hint)


@contextmanager
def replacing(out: Path, *, command: str, refuse: Callable[[Path], None]) -> Iterator[Path]:
    """An empty hidden folder that takes the place of `out` when the block ends well, and vanishes when it does not.

    Killed at any moment, the old folder or the new one is there whole; the next call removes what is left over.

    Args:
        command: what writes there, as 'odtool prepare', for messages.
        refuse: raises where `out` is not a folder that the command may replace.

    Raises:
        DataError: another process is writing there, or the disk refuses.
    """
    out = out.resolve()
    new_parents = [folder for folder in out.parents if not folder.exists()]
    lock = _beside(out, "lock")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _acquired(lock, out, command)
    except OSError as error:
        raise _unwritable(out, error) from error
    try:
        incoming, outgoing = _beside(out, "incoming"), _beside(out, "outgoing")
        _recover(out, incoming, outgoing)
        _clear_others(out.parent)
        refuse(out)
        incoming.mkdir()
        try:
            yield incoming
            files.sync(incoming)
            files.replace_folder(incoming, out, outgoing)
            files.sync(out.parent)
        except OSError as error:
            # Only open() and its like name a file; write() does not, and is where a disk turns out to be full.
            if error.filename is not None and not Path(str(error.filename)).is_relative_to(incoming):
                raise
            raise _unwritable(out, error) from error
        finally:
            for leftover in (incoming, outgoing):
                shutil.rmtree(leftover, ignore_errors=True)
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)
        if not out.exists():
            for folder in new_parents:
                with suppress(OSError):  # someone else has put something there since
                    folder.rmdir()


def _beside(out: Path, ending: str) -> Path:
    """A hidden name that every call for `out` finds again."""
    name = os.fsencode(out.name)
    return out.parent / f".{out.name if len(name) <= _LONGEST else hashlib.sha256(name).hexdigest()}.{ending}"


def _unwritable(out: Path, error: OSError) -> DataError:
    other = "or name another folder with --out."
    if known := shortage.to_error(error, out.parent):
        return DataError(f"{out}: cannot be written: {known.message}", f"{known.hint.rstrip('.')}, {other}")
    return DataError(f"{out}: cannot be written: {error.strerror}", f"Make it writable, {other}")


def _acquired(lock: Path, out: Path, command: str) -> int:
    """The lock's descriptor. The file is removed at the end, so what was locked must still be what has its name."""
    while (descriptor := locks.acquire(lock)) is not None:
        try:
            if os.path.samestat(os.fstat(descriptor), lock.stat()):
                return descriptor
        except FileNotFoundError:
            pass  # its holder removed it between our opening and locking it: take the next one
        os.close(descriptor)
    message = f"{out}: another {command} is writing there"
    if repeated := parts.describe_repeated_work(os.environ):
        raise DataError(message, f"{repeated[:1].upper()}{repeated[1:]}.")
    raise DataError(message, "Wait until it is done, or name another --out.")


def _clear_others(parent: Path) -> None:
    """Clears up after killed calls for other folders beside this one, whose locks nobody holds."""
    for lock in parent.glob(".*.lock"):
        out = parent / lock.name[1 : -len(".lock")]
        incoming, outgoing = _beside(out, "incoming"), _beside(out, "outgoing")
        if not incoming.is_dir() and not outgoing.is_dir():
            continue
        with suppress(OSError):  # somebody else's, then
            if (descriptor := locks.acquire(lock)) is not None:
                try:
                    _recover(out, incoming, outgoing)
                    lock.unlink()
                finally:
                    os.close(descriptor)


def _recover(out: Path, incoming: Path, outgoing: Path) -> None:
    """Clears up after a call that was killed."""
    if outgoing.exists() and not out.exists():
        outgoing.rename(out)
    for leftover in (incoming, outgoing):
        if leftover.exists():
            shutil.rmtree(leftover)
