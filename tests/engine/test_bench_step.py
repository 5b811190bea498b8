"""The benchmark of the training step counts what a profile holds, and runs both kinds of step."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "bench_step.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script as a module; nothing in it loads TensorFlow before a contestant's process begins."""
    specification = importlib.util.spec_from_file_location("bench_step", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["bench_step"] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


def make_space(api: Any, kernels: list[tuple[str, str, int]]) -> Any:
    """A profile with one stream of (kernel, operation, picoseconds), and a line that the profiler makes of it."""
    del api  # the messages are TensorFlow's
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    space.planes.add(name="/host:CPU").lines.add(name="Stream of nothing").events.add(duration_ps=10**12)
    plane = space.planes.add(name="/device:GPU:0")
    plane.stat_metadata[1].name = "tf_op"
    for line_name in ("Stream #16(Compute)", "TensorFlow Ops"):
        line = plane.lines.add(name=line_name)
        for number, (kernel, operation, duration) in enumerate(kernels, start=1):
            plane.event_metadata[number].name = kernel
            event = line.events.add(metadata_id=number, duration_ps=duration)
            if operation:
                plane.stat_metadata[100 + number].name = operation
                event.stats.add(metadata_id=1, ref_value=100 + number)
    return space


def test_kernels_are_counted_once_and_summed_up_by_operation(api: Any, script: ModuleType) -> None:
    kernels = [
        ("eigen_reduce", "Loss/Match_1/ArgMax_1:ArgMax", 300 * 10**9),
        ("eigen_reduce", "Loss/Match_2/ArgMax_1:ArgMax", 300 * 10**9),
        ("conv", "conv1/Conv2D:Conv2D", 300 * 10**9),
        ("MemcpyD2H", "", 100 * 10**9),
    ]
    found = script.summarize(make_space(api, kernels), 2)
    assert found["kernels_a_step"] == 2
    assert found["busy_ms_a_step"] == pytest.approx(500)
    assert found["largest"] == pytest.approx({"ArgMax": 0.6, "Conv2D": 0.3, "MemcpyD2H": 0.1})


def test_faster_steps_give_a_ratio_above_one(script: ModuleType) -> None:
    facts = {"operations": 10, "seconds_to_first_step": 1.0, "peak_mb": 5.0, "processor_seconds_a_step": 1.0}
    ratios = script.compare({**facts, "seconds_a_step": 1.0}, {**facts, "seconds_a_step": 2.0, "operations": 20})
    assert ratios["steps_a_second"] == 2.0
    assert ratios["operations"] == 0.5


@pytest.mark.slow
def test_both_kinds_of_step_are_run_and_compared() -> None:
    command = [sys.executable, SCRIPT, "--models", "ssd", "--batch", "4", "--rounds", "1", "--steps", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["ssd"]
    assert found["ours"]["device"] == found["stock"]["device"]
    assert found["ratios"]["operations"] < 1
    assert found["ratios"]["steps_a_second"] > 0
    assert 0 < found["ours"]["first_loss"] < 1e4
