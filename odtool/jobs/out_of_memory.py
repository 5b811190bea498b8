"""Whether a process ran out of memory: by its own outcome, its signal, the end of its log, or the limit it had."""

from __future__ import annotations

import re
import resource
import signal
from collections.abc import Callable
from pathlib import Path

from odtool.jobs.record import Outcome

_LAST_WORDS = re.compile(
    r"std::bad_alloc|MemoryError|[Oo]ut of memory|OOM when allocating|Cannot allocate memory|pthread_create\(\) failed"
)
_KERNEL = Path("/proc/vmstat")
_GAVE_UP = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS)
_LIMITS = {"VmPeak": ("RLIMIT_AS", resource.RLIMIT_AS), "VmData": ("RLIMIT_DATA", resource.RLIMIT_DATA)}
"""What a process uses, by its name in /proc/<pid>/status, and what limits it (ulimit -v and -d)."""
_NEAR = 0.75
"""Share of a limit from which on a crash is taken for its doing: what was refused is not counted in what was used, and
one tensor of a large batch takes hundreds of megabytes."""


class MemoryWatch:
    """How near a process has come to its limits of memory, looked at while it lives: the kernel keeps no mark of it."""

    def __init__(self, pid: int, *, limits: Callable[[int], tuple[int, int]] = resource.getrlimit) -> None:
        """
        Args:
            limits: gives a soft and a hard limit; by default this process's own, which its children inherit.
        """
        self._status = Path(f"/proc/{pid}/status")
        self._limits = {
            field: (name, soft)
            for field, (name, number) in _LIMITS.items()
            if (soft := limits(number)[0]) != resource.RLIM_INFINITY
        }
        self._most = dict.fromkeys(self._limits, 0)

    @property
    def is_limited(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self._limits)

    def look(self) -> None:
        """To be called from time to time."""
        try:
            text = self._status.read_text(encoding="ascii", errors="replace")
        except OSError:  # it has just ended
            return
        for field in self._most:
            if match := re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE):
                self._most[field] = max(self._most[field], int(match[1]) * 1024)

    def find_near_limit(self) -> str:
        """The limit that it came near to, in words; '' where there is none."""
        for field, (name, limit) in self._limits.items():
            if self._most[field] >= _NEAR * limit:
                return f"{self._most[field] / 1e9:.2f} of {limit / 1e9:.2f} GB that {name} allows were in use"
        return ""


def count_kernel_kills(counters: Path = _KERNEL) -> int:
    """How many processes the kernel has killed because memory ran out; 0 where it does not count them."""
    try:
        lines = counters.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def explain_exit(
    exit_code: int, outcome: Outcome | None, last_words: str, *, kernel_killed: bool, near_limit: str = ""
) -> str:
    """The evidence that memory ran out, in a few words; '' where there is none.

    Args:
        exit_code: as subprocess has it.
        outcome: what the process said of its end.
        last_words: the end of its log.
        kernel_killed: whether `kernel_kills` rose while it ran. A SIGKILL alone may be a person's.
        near_limit: the limit that it came near to.
    """
    if outcome is not None:
        # Libraries speak of memory in passing, so where the process has written an outcome itself, nothing else counts.
        return outcome.reason if outcome.out_of_memory else ""
    if exit_code == -signal.SIGKILL:
        return "killed by the system, which ran out of memory" if kernel_killed else ""
    if -exit_code not in _GAVE_UP:
        return ""
    name = signal.Signals(-exit_code).name
    if match := _LAST_WORDS.search(last_words):
        return f"ended by {name} ({match[0]})"
    # Native code that does not look at what malloc gives it dies without a word.
    return f"ended by {name}, {near_limit}" if near_limit else ""
