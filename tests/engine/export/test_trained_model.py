"""What is exported: one checkpoint, and of it what evaluation scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from odtool.workspace import Run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("averaged", [True, False])
def test_moving_averages_are_exported_where_they_are_what_is_scored(
    api: Any, new_run: Callable[..., Run], averaged: bool
) -> None:
    from odtool.engine import checkpoints, model
    from odtool.engine.export import trained_model

    def average(message: Any) -> None:
        message.train_config.optimizer.use_moving_average = True
        message.eval_config.use_moving_averages = averaged

    run = new_run(average)
    configs = model.read_configs(run.pipeline_config)
    trainable = model.build_trainable(
        configs, model.build_model(configs["model"]), model.read_element_spec(configs, batch=2)
    )
    first = trainable.model.trainable_variables[0]
    first.assign(api.fill(first.shape, 5.0))
    trainable.optimizer.get_slot(first, "average").assign(api.fill(first.shape, 2.0))
    trainable.step.assign(7)
    checkpoints.save(run, trainable.checkpoint, 7)

    exported = trained_model.load(run, run.checkpoint(7))
    assert (exported.step, exported.labels) == (7, {1: "disc", 2: "square"})
    (found,) = (each for each in exported.detector.trainable_variables if each.name == first.name)
    np.testing.assert_allclose(found.numpy(), 2 if averaged else 5)
