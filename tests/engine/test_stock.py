"""Training and evaluation give the numbers and the tags of the API's own loops."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from odtool.workspace import Run

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "compare_with_stock.py"


@pytest.mark.slow
def test_twenty_losses_every_metric_and_every_tag_are_the_stock_ones(learned: Run) -> None:
    start: list[str | Path] = ["--checkpoint", learned.checkpoint(300)]
    command = [sys.executable, SCRIPT, learned.pipeline_config, *start, "--steps", "20", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert (found["threads"], found["steps"]) == (1, 20)
    first, last = found["first_and_last_loss"]
    assert abs(first - last) > 0.001
    assert {"Loss/total_loss", "Loss/localization_loss", "learning_rate"} < set(found["losses"])
    assert max(found["losses"].values()) <= 1e-4
    assert len(found["metrics"]) >= 12
    assert found["nonzero_metrics"] >= 6
    assert max(found["metrics"].values()) <= 1e-6
    assert found["tags_of_one_side"] == []


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script as a module; nothing in it loads TensorFlow before a task runs."""
    specification = importlib.util.spec_from_file_location("compare_with_stock", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def found_in_events(*, loss: float = 0.5, metric: float = 0.25) -> dict[str, Any]:
    scalars = {"Loss/total_loss": {"2": 0.75, "3": loss}, "learning_rate": {"2": 0.01, "3": 0.01}}
    evaluation = {"DetectionBoxes_Precision/mAP": {"3": metric}, "Loss/total_loss": {"3": loss}}
    return {
        "train": {"scalars": scalars, "tags": sorted(scalars), "seconds": 0.5},
        "eval": {"scalars": evaluation, "tags": sorted(evaluation), "seconds": None},
    }


def test_equal_events_are_equal(script: ModuleType) -> None:
    found = script.compare(found_in_events(), found_in_events())
    assert found["equal"]
    assert found["losses_of_stock_run_twice"] is None


@pytest.mark.parametrize("other", [{"loss": 0.5002}, {"metric": 0.250002}])
def test_a_difference_above_the_tolerance_is_found(script: ModuleType, other: dict[str, float]) -> None:
    assert not script.compare(found_in_events(), found_in_events(**other))["equal"]


@pytest.mark.parametrize("other", [{"loss": 0.50005}, {"metric": 0.2500005}])
def test_a_difference_below_the_tolerance_is_allowed(script: ModuleType, other: dict[str, float]) -> None:
    assert script.compare(found_in_events(), found_in_events(**other))["equal"]


def test_a_tag_of_one_side_only_is_a_difference(script: ModuleType) -> None:
    more = found_in_events()
    more["train"]["tags"].append("Loss/other")
    found = script.compare(more, found_in_events())
    assert found["tags_of_one_side"] == ["Loss/other"]
    assert not found["equal"]


def test_the_stock_loops_distance_from_itself_stands_beside_ours(script: ModuleType) -> None:
    found = script.compare(found_in_events(), found_in_events(), found_in_events(loss=0.625))
    assert found["losses_of_stock_run_twice"] == {"Loss/total_loss": 0.125, "learning_rate": 0.0}
    assert found["losses"]["Loss/total_loss"] == 0.0
