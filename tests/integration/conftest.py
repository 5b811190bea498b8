"""The commands as a user types them, in a workspace of their own."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

Odtool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def odtool() -> Odtool:
    """Runs `odtool ARGUMENTS...` in `cwd` and gives what it printed; never raises for its exit code."""
    return functools.partial(run, [sys.executable, "-m", "odtool"])


@pytest.fixture(scope="session")
def installed_odtool(installed: Path) -> Odtool:
    """The same by the script of an installed wheel, which knows nothing of the checkout."""
    return functools.partial(run, ["env", "-u", "PYTHONPATH", installed / "odtool"])


def run(command: Sequence[object], *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in (*command, *arguments)],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def status(odtool: Odtool) -> Callable[[Path], dict[str, Any]]:
    """`odtool status --json` of a workspace's newest run."""

    def ask(workspace: Path) -> dict[str, Any]:
        done = odtool("status", "--json", cwd=workspace)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return ask
