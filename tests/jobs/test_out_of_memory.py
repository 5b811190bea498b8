"""Whether a process ended for lack of memory."""

from __future__ import annotations

import os
import re
import resource
import signal
from pathlib import Path

import pytest

from odtool.jobs import out_of_memory
from odtool.jobs.record import Outcome

TERMINATED = "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc"


def outcome(state: str, *, said_so: bool = False) -> Outcome:
    return Outcome(state, "why", 1.0, 1, said_so)  # type: ignore[arg-type]  # one of the states


@pytest.mark.parametrize(
    ("exit_code", "said", "last_words", "found"),
    [
        (-signal.SIGKILL, None, "", "killed by the system"),
        (-signal.SIGABRT, None, TERMINATED, "ended by SIGABRT (std::bad_alloc)"),
        (1, outcome("failed", said_so=True), "", "why"),
    ],
)
def test_lack_of_memory_is_recognised(exit_code: int, said: Outcome | None, last_words: str, found: str) -> None:
    assert out_of_memory.explain_exit(exit_code, said, last_words, kernel_killed=True).startswith(found)


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
    assert out_of_memory.explain_exit(exit_code, said, last_words, kernel_killed=False) == ""


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
def test_a_crash_near_a_limit_is_lack_of_memory(number: signal.Signals) -> None:
    near = "1.50 of 1.60 GB that RLIMIT_DATA allows were in use"
    assert (
        out_of_memory.explain_exit(-number, None, "", kernel_killed=False, near_limit=near)
        == f"ended by {number.name}, {near}"
    )
    assert out_of_memory.explain_exit(-signal.SIGILL, None, "", kernel_killed=False, near_limit=near) == ""


@pytest.mark.parametrize(("share", "is_near"), [(0.9, True), (0.1, False)])
def test_the_use_of_a_limited_process_is_seen(share: float, is_near: bool) -> None:
    match = re.search(r"^VmData:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert match is not None
    limit = int(int(match[1]) * 1024 / share)

    def limits(number: int) -> tuple[int, int]:
        return (limit if number == resource.RLIMIT_DATA else resource.RLIM_INFINITY, resource.RLIM_INFINITY)

    watch = out_of_memory.MemoryWatch(os.getpid(), limits=limits)
    assert watch.is_limited
    watch.look()
    assert ("RLIMIT_DATA" in watch.find_near_limit()) is is_near


def test_a_process_without_limits_is_never_near_one() -> None:
    watch = out_of_memory.MemoryWatch(os.getpid(), limits=lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    watch.look()
    assert (watch.is_limited, watch.find_near_limit()) == (False, "")


def test_the_kernels_count_is_read_where_it_is_kept(tmp_path: Path) -> None:
    counters = tmp_path / "vmstat"
    assert out_of_memory.count_kernel_kills(counters) == 0
    counters.write_text("nr_free_pages 5\noom_kill 3\nswap_ra 0\n")
    assert out_of_memory.count_kernel_kills(counters) == 3
