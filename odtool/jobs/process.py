"""Which process a number means: a pid alone is reused, a pid with its start is not."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

_PROC = Path("/proc")


@cache
def identify_machine() -> str:
    """Names the booted machine and its pid namespace: pids mean nothing outside of these."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        # No Linux /proc: the host's name has to do.
        return os.uname().nodename


def find_start_time(pid: int) -> str | None:
    """When the process started, in a form that is only compared, or None where it is dead (zombies are).

    On Linux these are the clock ticks since boot: psutil's create_time is in seconds of the wall clock, and shifts
    when that clock is set, which would make a live process look like another one.
    """
    if not (_PROC / "self/stat").exists():
        return _read_start_by_psutil(pid)
    try:
        return _read_start_in_stat((_PROC / str(pid) / "stat").read_text(errors="replace"))
    except (FileNotFoundError, ProcessLookupError):
        return None


def _read_start_in_stat(text: str) -> str | None:
    """Reads /proc/<pid>/stat (man proc_pid_stat): the state is field 3, the start field 22."""
    # The command's name, field 2, stands in parentheses and may hold spaces and parentheses itself.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZXx" else fields[19]


def _read_start_by_psutil(pid: int) -> str | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else repr(process.create_time())
    except psutil.NoSuchProcess:
        return None
