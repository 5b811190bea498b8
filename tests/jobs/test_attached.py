"""Processes that end with the one that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import pytest

from odtool.jobs import attached, process

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
DEAF = [*SLEEP[:2], f"import signal; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); {SLEEP[2]}"]
PARENT = """
import os, sys, tempfile, time
from odtool.jobs import attached
with tempfile.TemporaryFile() as output:
    with attached.start_attached({command!r}, environment=os.environ, output=output) as child:
        print(child.pid, flush=True)
        time.sleep(600)
"""


def test_it_ends_on_leaving() -> None:
    with tempfile.TemporaryFile() as output:
        with attached.start_attached(SLEEP, environment=os.environ, output=output) as child:
            assert child.poll() is None
        assert child.returncode == -signal.SIGTERM


def test_what_does_not_heed_is_killed(monkeypatch: pytest.MonkeyPatch, until: Callable[..., Any]) -> None:
    monkeypatch.setattr(attached, "_GRACE", 0.1)
    with tempfile.TemporaryFile() as output:
        with attached.start_attached(DEAF, environment=os.environ, output=output) as child:
            until(lambda: os.pread(output.fileno(), 4, 0) == b"deaf")
        assert child.returncode == -signal.SIGKILL


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells of a parent's death")
def test_it_ends_with_a_parent_that_is_killed(until: Callable[..., Any]) -> None:
    command = [sys.executable, "-c", PARENT.format(command=SLEEP)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert process.find_start_time(child) is not None
        parent.kill()
    until(lambda: process.find_start_time(child) is None)
