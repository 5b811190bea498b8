"""Whether a process ended for lack of memory: by its own word, by the signal that killed it, or by its last words."""

from __future__ import annotations

import re
import signal

from odtool.jobs.record import Outcome

_LAST_WORDS = re.compile(
    r"std::bad_alloc|MemoryError|[Oo]ut of memory|OOM when allocating|Cannot allocate memory|pthread_create\(\) failed"
)
_GAVE_UP = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS)


def lack(exit_code: int, outcome: Outcome | None, last_words: str) -> str:
    """The evidence that memory was lacking, in a few words; '' where there is none.

    Args:
        exit_code: as subprocess has it.
        outcome: what the process said of its end.
        last_words: the end of its log.
    """
    if outcome is not None:
        # Libraries speak of memory in passing, so where the process has told its end itself, nothing else counts.
        return outcome.reason if outcome.out_of_memory else ""
    if exit_code == -signal.SIGKILL:
        # Nobody here asked for it (that is told by an outcome beforehand): so the kernel ends who takes too much.
        return "killed by SIGKILL, as the system does where memory runs out"
    if -exit_code in _GAVE_UP and (found := _LAST_WORDS.search(last_words)):
        return f"ended by {signal.Signals(-exit_code).name} ({found[0]})"
    return ""
