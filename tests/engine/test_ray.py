"""The example of docs/howto/ray.md, run as it is written: two workers of Ray on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from odtool import metrics
from odtool.workspace import Run

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
LIMIT = 900
"""Seconds, against a cluster that hangs."""


@pytest.fixture
def ray_environment() -> Iterator[dict[str, str]]:
    """Of a Ray cluster of this machine alone: on loopback, without a dashboard, with its files in a short path."""
    place = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # the names of sockets may have 107 bytes
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "RAY_TMPDIR": place,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # else Ray takes the address of another interface for 127.0.0.1
        "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": str(LIMIT),
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    environment.pop("RAY_ADDRESS", None)  # a cluster of its own, which ends with the script
    yield environment
    shutil.rmtree(place, ignore_errors=True)


def test_the_documented_code_trains_a_run_in_two_workers(
    new_run: Callable[..., Run], ray_environment: dict[str, str], tmp_path: Path
) -> None:
    def lengthen(message: Any) -> None:
        message.train_config.num_steps = 6

    run = new_run(lengthen)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "howto" / "ray.md").read_text(), re.DOTALL)
    script = tmp_path / "train_in_ray.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, script, tmp_path, run.name],
        env=ray_environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )
    logs = "".join(path.read_text() for path in run.path.glob("*.log"))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    assert "trained to step 6 with loss" in done.stdout
    assert max(run.checkpoints()) == 6
    assert (run.path / "train-worker1.log").exists()
    assert [entry.step for entry in metrics.read(run.metrics) if entry.kind == "train"][-1] == 6
