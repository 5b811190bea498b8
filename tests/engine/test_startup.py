"""What a process of the engine has in its log, by the TensorFlow that is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from odtool.workspace import Run

pytestmark = pytest.mark.slow
OWN = re.compile(r"\d\d:\d\d:\d\d \S|(train|eval) finished: ")
"""What the engine itself writes."""
PROGRAM = """
import sys
from odtool.engine import compat, startup
compat.wants_gpu = lambda: sys.argv[1] == "gpu"
startup.load()
import tensorflow as tf
print("loaded", file=sys.stderr)
tf.config.list_physical_devices("GPU")
print(tf.function(lambda x: tf.transpose(x > 0), jit_compile=True)(tf.ones([2, 3])).shape, file=sys.stderr)
print(tf.function(lambda x: tf.transpose(x > 0))(tf.ones([2, 3])).shape, file=sys.stderr)
"""


def start(device: str) -> list[str]:
    """Lines of stderr of a process that finds no GPU."""
    without = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, device],
        capture_output=True, text=True, check=True, env={**without, "CUDA_VISIBLE_DEVICES": "-1"},
    )  # fmt: skip
    return ended.stderr.splitlines()


def test_without_a_gpu_there_is_nothing_to_be_said() -> None:
    assert start("cpu") == ["loaded", "(3, 2)", "(3, 2)"]


def test_an_error_of_tensorflows_libraries_is_shown() -> None:
    first, error, *rest = start("gpu")
    assert (first, rest) == ("loaded", ["(3, 2)", "(3, 2)"])
    assert "failed call to cuInit" in error


def test_the_logs_of_training_and_evaluation_hold_the_engines_own_lines_alone(
    trained: Run, training_log: str, engine: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    scored = engine("eval", trained.path)
    assert scored.returncode == 0, scored.stderr
    for lines in (training_log.splitlines(), scored.stderr.splitlines()):
        assert len(lines) >= 4
        assert [line for line in lines if not OWN.match(line)] == []
