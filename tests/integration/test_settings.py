"""A sample of scripts/try_settings.py: settings that are not refused train, evaluate, export and predict."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "try_settings.py"
SAMPLE = r"post_processing\.score_converter|batch_non_max_suppression\.use_static_shapes|normalize_loc"


@pytest.mark.slow
def test_settings_that_are_not_refused_do_their_work() -> None:
    command = [sys.executable, SCRIPT, "--base", "ssd", "--only", SAMPLE, "--together", "12"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "0 values fail"
    assert " values" in done.stdout.splitlines()[0]
