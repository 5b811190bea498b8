"""Whether a process ended for lack of memory."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from odtool.jobs import memory
from odtool.jobs.record import Outcome

TERMINATED = "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc"


def outcome(state: str, *, out_of_memory: bool = False) -> Outcome:
    return Outcome(state, "why", 1.0, 1, out_of_memory)  # type: ignore[arg-type]  # one of the states


@pytest.mark.parametrize(
    ("exit_code", "said", "last_words", "found"),
    [
        (-signal.SIGKILL, None, "", "killed by the system"),
        (-signal.SIGABRT, None, TERMINATED, "ended by SIGABRT (std::bad_alloc)"),
        (1, outcome("failed", out_of_memory=True), "", "why"),
    ],
)
def test_lack_of_memory_is_recognised(exit_code: int, said: Outcome | None, last_words: str, found: str) -> None:
    assert memory.lack(exit_code, said, last_words, kernel_killed=True).startswith(found)


@pytest.mark.parametrize(
    ("exit_code", "said", "last_words"),
    [
        (0, None, ""),
        (1, None, "allocator ran out of memory, which is not a failure"),
        (1, outcome("failed"), "ran out of memory trying to allocate 2 GiB"),
        (-signal.SIGABRT, None, "double free or corruption"),
        (-signal.SIGTERM, None, TERMINATED),
        (-signal.SIGKILL, None, ""),
        (-signal.SIGKILL, outcome("stopped"), ""),
    ],
)
def test_other_ends_are_not_taken_for_it(exit_code: int, said: Outcome | None, last_words: str) -> None:
    assert memory.lack(exit_code, said, last_words, kernel_killed=False) == ""


def test_the_kernels_count_is_read_where_it_is_kept(tmp_path: Path) -> None:
    counters = tmp_path / "vmstat"
    assert memory.kernel_kills(counters) == 0
    counters.write_text("nr_free_pages 5\noom_kill 3\nswap_ra 0\n")
    assert memory.kernel_kills(counters) == 3
