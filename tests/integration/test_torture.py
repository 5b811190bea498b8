"""A short campaign of scripts/torture.py: real kills, small disks, garbage states and strangers lose nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "torture.py"


@pytest.mark.slow
def test_nothing_is_lost() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--trials", "80"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()][-1] == "trainings"
    assert "Traceback" not in done.stderr
