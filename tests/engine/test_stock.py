"""Training and evaluation give the numbers and the tags of the API's own loops."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.workspace import Run

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "compare_with_stock.py"


@pytest.mark.slow
def test_twenty_losses_every_metric_and_every_tag_are_the_stock_ones(new_run: Callable[..., Run]) -> None:
    command = [sys.executable, SCRIPT, new_run().pipeline_config, "--steps", "20", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["steps"] == 20
    first, last = found["first_and_last_loss"]
    assert abs(first - last) > 0.01
    assert {"Loss/total_loss", "Loss/localization_loss", "learning_rate"} < set(found["losses"])
    assert max(found["losses"].values()) <= 1e-4
    assert len(found["metrics"]) >= 12
    assert max(found["metrics"].values()) <= 1e-6
    assert found["tags_of_one_side"] == []
