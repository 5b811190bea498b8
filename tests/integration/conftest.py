"""The commands as a user types them, in a workspace of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Odtool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def odtool() -> Odtool:
    """Runs `odtool ARGUMENTS...` in `cwd` and gives what it printed; never raises for its exit code."""

    def run(*arguments: object, cwd: Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "odtool", *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def status(odtool: Odtool) -> Callable[[Path], dict[str, Any]]:
    """`odtool status --json` of a workspace's newest run."""

    def ask(workspace: Path) -> dict[str, Any]:
        done = odtool("status", "--json", cwd=workspace)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return ask


@pytest.fixture(scope="session")
def until() -> Callable[..., Any]:
    """Asks again and again until the answer is true; fails where it stays false for `seconds`."""

    def wait(ask: Callable[[], Any], *, seconds: float = 240) -> Any:
        deadline = time.monotonic() + seconds
        while not (answer := ask()):
            assert time.monotonic() < deadline, f"still {answer!r} after {seconds} s"
            time.sleep(0.2)
        return answer

    return wait
