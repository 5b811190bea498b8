"""Training in bfloat16 keeps float32's variables, checkpoints and losses, and learns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from odtool import metrics
from odtool.errors import ConfigError
from odtool.workspace import Run


@pytest.fixture
def bfloat16(api: Any) -> Iterator[None]:
    """Layers that are built meanwhile compute in bfloat16."""
    from odtool.engine import model

    model.set_precision("bfloat16")
    yield
    model.set_precision("float32")


@pytest.mark.usefixtures("bfloat16")
def test_variables_statistics_and_losses_are_float32_and_the_convolutions_are_not(
    api: Any, make_learner: Callable[..., Any], small_message: Callable[..., Any]
) -> None:
    learner = make_learner(small_message(), side=96)
    assert {variable.dtype for variable in learner.detector.variables} <= {api.float32, api.int64}
    traced = api.function(learner.take_own_step, autograph=False).get_concrete_function(*learner.draw(2))
    assert {loss.dtype for loss in traced.structured_outputs.values()} == {api.float32}
    convolutions = {op.outputs[0].dtype for op in traced.graph.get_operations() if op.type == "Conv2D"}
    assert convolutions == {api.bfloat16}
    norms = [op for op in traced.graph.get_operations() if op.type == "FusedBatchNormV3"]
    assert norms
    assert {op.get_attr("U") for op in norms} == {api.float32}


def test_losses_stay_close_to_float32s(
    api: Any, make_learner: Callable[..., Any], small_message: Callable[..., Any], bfloat16: None
) -> None:
    import numpy as np

    from odtool.engine import model

    half = make_learner(small_message(), side=96)
    model.set_precision("float32")
    full = make_learner(small_message(), side=96)
    for mine, theirs in zip(half.detector.variables, full.detector.variables, strict=True):
        mine.assign(theirs)
    half_step, full_step = (api.function(one.take_own_step, autograph=False) for one in (half, full))
    batch = half.draw(4)
    losses = np.array([[float(step(*batch)["Loss/total_loss"]) for step in (half_step, full_step)] for _ in range(10)])
    np.testing.assert_allclose(losses[0, 0], losses[0, 1], rtol=0.05)
    # From weights drawn anew for each run the courses part step by step, as rounding adds up.
    np.testing.assert_allclose(losses[:, 0], losses[:, 1], rtol=0.2)
    assert losses[-1, 0] < losses[0, 0]


def test_a_type_that_is_not_offered_is_refused(api: Any) -> None:
    from odtool.engine import model

    with pytest.raises(ConfigError, match="float8: not one of float32, bfloat16"):
        model.set_precision("float8")
    assert api.keras.mixed_precision.global_policy().name == "float32"


@pytest.mark.usefixtures("api")
def test_a_model_that_cannot_be_built_in_bfloat16_is_refused_with_the_reason(
    new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    from odtool.engine.train import training

    def build(*_: object) -> None:
        raise TypeError("Input 'y' of 'AddV2' has type float32 that does not match type bfloat16\nmore")

    monkeypatch.setattr(training.model, "build_trainable", build)
    run, data = new_run(), SimpleNamespace(element_spec=())
    with pytest.raises(ConfigError, match=r"cannot be computed in bfloat16: Input 'y'.*does not match type bfloat16$"):
        training.build_trainable(run, {}, None, data, "bfloat16")
    with pytest.raises(TypeError):
        training.build_trainable(run, {}, None, data, "float32")


@pytest.mark.slow
def test_memory_is_measured_in_the_precision_asked_for(new_run: Callable[..., Run], engine: Callable[..., Any]) -> None:
    run = new_run()
    done = engine("measure", run.path, "--batch-size", 2, "--precision", "bfloat16")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["peak_bytes"] > 100e6
    refused = engine("measure", run.path, "--batch-size", 2, "--precision", "float8")
    assert "float8: not one of float32, bfloat16" in refused.stdout


@pytest.mark.slow
def test_a_run_is_trained_and_its_checkpoint_evaluated_in_float32(
    api: Any, new_run: Callable[..., Run], engine: Callable[..., Any]
) -> None:
    run = new_run()
    done = engine("train", run.path, "--precision", "bfloat16")
    assert done.returncode == 0, done.stderr
    (start,) = metrics.read(run.metrics, "start")
    assert start.values["precision"] == "bfloat16"
    saved = api.train.load_checkpoint(str(run.checkpoint(4))).get_variable_to_dtype_map()
    assert api.bfloat16 not in saved.values()
    done = engine("eval", run.path, "--checkpoint", "latest")
    assert done.returncode == 0, done.stderr
