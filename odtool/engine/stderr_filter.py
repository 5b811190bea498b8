"""What TensorFlow's C++ libraries write to stderr while they are loaded, without what is below the level that is set.

TensorFlow 2.21 reads TF_CPP_MIN_LOG_LEVEL when its libraries are loaded, and some of them speak before that. Nothing in
the process can keep them from it: the lines pass through a process of its own, which outlives a crash of this one.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
ERRORS = 2
"""The level from which errors are shown, and neither notes nor warnings."""

_HEADING = b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR"
_LINE = re.compile(
    rb"""(
        # 2026-11-28 07:36:26.137863: I port.cc:153] ...
        \d{4}-\d\d-\d\d\ \d\d:\d\d:\d\d\.\d+:\ (?P<tsl>[IWEF])\ #
        # I0000 00:00:1795849327.403207   29368 port.cc:153] ...
      | (?P<absl>[IWEF])\d{4}\ \d\d:\d\d:\d+(\.\d+)?\ +\d+\ #
    )\S+:\d+\]\ """,
    re.VERBOSE,
)
_NO_GPU = b"failed call to cuInit: "
"""In the error that the search for GPUs logs where there is none."""
_NO_KERNEL = b"oneDNN supports DT_"
"""In the error that some operations, such as those on booleans, are computed by other kernels than oneDNN's."""
_LAST = b"\0"
"""Ends the line that ends the filter."""


def is_shown(line: bytes, level: int, *, gpu: bool) -> bool:
    """Whether a line of stderr is to be seen.

    Args:
        line: without its end.
        level: of TF_CPP_MIN_LOG_LEVEL: 1 leaves out notes, 2 warnings, 3 errors. What is fatal is always shown.
        gpu: whether a GPU is to be used, so that it matters when there is none.
    """
    if line == _HEADING:
        return False
    if match := _LINE.match(line):
        severity = b"IWEF".index(match["tsl"] or match["absl"])
        return severity >= min(level, 3) and (gpu or _NO_GPU not in line) and _NO_KERNEL not in line
    return True


@contextmanager
def filtering(*, gpu: bool) -> Iterator[None]:
    """While this lasts, stderr leads through `is_shown`. To be called by a process of one thread, as it is forked.

    Where the level is 0, everything is wanted and nothing is changed.
    """
    text = os.environ.get(LEVEL, "")
    level = int(text) if text.isdigit() else 0
    if not level:
        yield
        return
    stderr, (source, sink) = os.dup(2), os.pipe()
    child = os.fork()
    if not child:
        os.close(sink)
        _pass_lines_on(source, stderr, level, gpu=gpu)
    os.close(source)
    os.dup2(sink, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        with suppress(BrokenPipeError):  # somebody has killed it
            # To close the pipe is not enough: whatever was started meanwhile holds it, too.
            os.write(sink, _LAST + b"\n")
        os.close(sink)
        os.waitpid(child, 0)  # so that what follows is also written after it


def _pass_lines_on(source: int, stderr: int, level: int, *, gpu: bool) -> NoReturn:
    """In the forked child: until the last line, or until nobody is left to write any."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # those who write are asked to end, and may say why
        with os.fdopen(source, "rb") as stream:
            for line in stream:
                text = line.removesuffix(b"\n")
                if is_shown(text.removesuffix(_LAST), level, gpu=gpu):
                    with suppress(OSError):  # the disk of the log is full: who writes is not to be ended by that
                        os.write(stderr, text.removesuffix(_LAST) if text.endswith(_LAST) else line)
                if text.endswith(_LAST):
                    break
    finally:
        os._exit(0)
