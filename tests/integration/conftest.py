"""The commands as a user types them, in a workspace of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
