"""Locks between processes: an flock that dies with its last holder, so that none is ever stale."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

_TRIES = 5
_BETWEEN_TRIES = 0.02
"""Seconds. `is_held` in another process holds a shared lock for microseconds; a few tries outlast it."""


def acquire(path: Path) -> int | None:
    """Takes the lock at `path` without waiting.

    Returns:
        An open descriptor that holds the lock until it and every inherited copy of it are closed,
        or None where another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_BETWEEN_TRIES)
        else:
            return descriptor
    os.close(descriptor)
    return None


def is_held(path: Path) -> bool:
    """Whether any process holds the lock at `path`; takes a shared lock for an instant to see."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
