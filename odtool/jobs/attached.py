"""Processes that are tied to this one: one that lives no longer, and those that stay below it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO

_PR_SET_PDEATHSIG = 1
"""linux/prctl.h: the signal that a process gets when its parent has died."""
_PR_SET_CHILD_SUBREAPER = 36
"""linux/prctl.h: a process becomes the parent of those below it whose own parents have ended."""
_GRACE = 10.0
"""Seconds between asking it to end and killing it."""


@contextmanager
def start_attached(
    command: Sequence[str], *, environment: Mapping[str, str], output: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """Starts a process and ends it on leaving.

    On Linux the kernel ends it, too, where this process is killed by a signal that cannot be caught. It has a session
    of its own, so that Ctrl-C reaches this process only, which then ends it in order.

    Args:
        output: takes what it writes on stdout and stderr.
    """
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=bind_to_parent(os.getpid()),  # noqa: PLW1509 - it makes two system calls, and takes no lock
    )
    try:
        yield process
    finally:
        _terminate(process)


def bind_to_parent(parent: int) -> Callable[[], None] | None:
    """What a new process calls (preexec_fn) so that the kernel ends it when `parent` has died; None but on Linux."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the kernel was told
            os._exit(1)

    return bind


@contextmanager
def adopting_orphans() -> Iterator[None]:
    """Meanwhile this process, and not init, becomes the parent of those below it whose parents end; on Linux only."""
    if not sys.platform.startswith("linux"):
        yield
        return
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0)


def _terminate(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
