"""Telling processes apart."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from odtool.jobs import process


@pytest.fixture(params=["by /proc", "by psutil"])
def start_of(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], str | None]:
    """Both ways to tell a process's start: Linux's own, and that of other systems."""
    return process.find_start_time if request.param == "by /proc" else process._read_start_by_psutil


def test_a_live_process_has_one_start(start_of: Callable) -> None:
    assert start_of(os.getpid()) == start_of(os.getpid()) is not None
    assert start_of(os.getpid()) != start_of(1)


def test_a_zombie_is_dead(start_of: Callable) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert start_of(child.pid) is not None
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert start_of(child.pid) is None
    child.communicate()
    assert start_of(child.pid) is None


def test_a_pid_that_cannot_be_is_dead(start_of: Callable) -> None:
    assert start_of(2**31 - 1) is None


def test_a_command_name_with_parentheses_and_spaces_is_read() -> None:
    rest = " ".join(str(number) for number in range(4, 53))
    assert process._read_start_in_stat(f"12 (a) Z (b c) S {rest}") == "22"
    assert process._read_start_in_stat(f"12 (a) S (b c) Z {rest}") is None
