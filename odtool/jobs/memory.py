"""Whether a process ended for lack of memory: by its own word, by the signal that killed it, or by its last words."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from odtool.jobs.record import Outcome

_LAST_WORDS = re.compile(
    r"std::bad_alloc|MemoryError|[Oo]ut of memory|OOM when allocating|Cannot allocate memory|pthread_create\(\) failed"
)
_KERNEL = Path("/proc/vmstat")
_GAVE_UP = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS)


def kernel_kills(counters: Path = _KERNEL) -> int:
    """How many processes the kernel has killed for want of memory since it started; 0 where it does not count them."""
    try:
        lines = counters.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def lack(exit_code: int, outcome: Outcome | None, last_words: str, *, kernel_killed: bool) -> str:
    """The evidence that memory was lacking, in a few words; '' where there is none.

    Args:
        exit_code: as subprocess has it.
        outcome: what the process said of its end.
        last_words: the end of its log.
        kernel_killed: whether `kernel_kills` rose while it ran. A SIGKILL alone may be a person's.
    """
    if outcome is not None:
        # Libraries speak of memory in passing, so where the process has told its end itself, nothing else counts.
        return outcome.reason if outcome.out_of_memory else ""
    if exit_code == -signal.SIGKILL:
        return "killed by the system, which had run out of memory" if kernel_killed else ""
    if -exit_code in _GAVE_UP and (found := _LAST_WORDS.search(last_words)):
        return f"ended by {signal.Signals(-exit_code).name} ({found[0]})"
    return ""
