"""Settings that would fail after the training, or do nothing, are told before it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.errors import ConfigError
from odtool.pipeline.checks import check_list, evaluation, ignored_fields, input_size, model_settings
from odtool.pipeline.text.facts import derive_facts
from odtool.pipeline.zoo import zoo


def change_demo(change: Callable[[Any], object]) -> Any:
    made = zoo.build(zoo.find("demo_ssd"))
    change(made.message)
    return derive_facts(made, Path("my.config"))


def test_a_model_of_one_channel_is_refused() -> None:
    def make_grey(message: Any) -> None:
        message.model.ssd.image_resizer.fixed_shape_resizer.convert_to_grayscale = True

    (finding,) = input_size.check_resizer(change_demo(make_grey))
    assert (finding.level, "convert_to_grayscale" in finding.message) == ("error", True)
    assert "random_rgb_to_gray" in finding.hint


def test_training_for_quantisation_is_said_to_have_no_effect() -> None:
    facts = change_demo(lambda message: message.graph_rewriter.quantization.SetInParent())
    (finding,) = ignored_fields.check_ignored_fields(facts)
    assert (finding.level, "graph_rewriter has no effect" in finding.message) == ("warning", True)


def test_the_configs_own_bfloat16_is_said_to_have_no_effect() -> None:
    (finding,) = ignored_fields.check_ignored_fields(
        change_demo(lambda message: setattr(message.train_config, "use_bfloat16", True))
    )
    assert finding.level == "warning"
    assert "--precision bfloat16" in finding.hint
    assert not list(
        ignored_fields.check_ignored_fields(
            change_demo(lambda message: setattr(message.train_config, "use_bfloat16", False))
        )
    )


@pytest.mark.parametrize("name", [name for name in evaluation.METRICS if "detection" not in name])
def test_metrics_of_masks_are_refused_for_a_model_of_boxes(name: str) -> None:
    (finding,) = evaluation.check_metrics(change_demo(lambda message: message.eval_config.metrics_set.append(name)))
    assert "compares masks, and this model predicts none" in finding.message


def test_all_faults_of_a_config_of_tensorflow_1_are_told_at_once_with_its_name() -> None:
    def make_old(message: Any) -> None:
        message.model.ssd.feature_extractor.type = "ssd_mobilenet_v2_fpn"
        message.train_config.load_all_detection_checkpoint_vars = True
        rate = message.train_config.optimizer.momentum_optimizer.learning_rate.manual_step_learning_rate
        rate.schedule.add(step=0, learning_rate=0.1)

    checks = [check_list.check_learning_rate, model_settings.check_extractor, check_list.check_checkpoint_type]
    with pytest.raises(ConfigError, match=r"^my.config: manual_step_learning_rate.schedule") as caught:
        check_list.refuse_errors(change_demo(make_old), checks)
    said = "\n".join(caught.value.details)
    assert "the config is written for TensorFlow 1. Did you mean 'ssd_mobilenet_v2_fpn_keras'?" in said
    assert "load_all_detection_checkpoint_vars" in said
    assert caught.value.hint == "Change all 3 settings and try again."
