"""What is varied by default, for every model of the zoo."""

from __future__ import annotations

import pytest

from odtool.pipeline.text.facts import find_learning_rate
from odtool.pipeline.zoo import zoo
from odtool.pipeline.zoo.catalogue import MODELS
from odtool.pipeline.zoo.zoo_model import ZooModel
from odtool.tuning import search_space, trial_config
from odtool.tuning.parameters import Choices, ValueRange

PARTS = {
    "ssd": {"learning_rate", "batch_size", "warmup", "augmentation", "weight_decay", "focal_alpha", "anchor_scale"},
    "faster_rcnn": {"learning_rate", "batch_size", "warmup", "augmentation"},
    "mask_rcnn": {"learning_rate", "batch_size", "warmup", "augmentation"},
    "center_net": {"learning_rate", "batch_size", "augmentation"},
}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_space_fits_the_model_and_holds_its_own_values(model: ZooModel) -> None:
    base = zoo.build(model)
    space = search_space.choose_default(base)
    assert PARTS[model.architecture] <= {parameter.name for parameter in space}
    search_space.refuse_unfit(base, space)
    values = trial_config.read_values(base, space)
    assert values.keys() == {parameter.name for parameter in space}
    assert trial_config.build(base, values).message == base.message


def test_a_trial_scales_the_whole_schedule_and_keeps_the_number_of_images() -> None:
    base = zoo.build(zoo.find("ssd_mobilenet_v2_fpnlite_320x320"))
    before = find_learning_rate(base)
    assert before is not None
    half = base.message.train_config.batch_size // 2
    made = trial_config.build(base, {"learning_rate": 0.4, "batch_size": half, "warmup": 0.25})
    rate = find_learning_rate(made)
    assert rate is not None
    assert made.message.train_config.num_steps == 2 * base.message.train_config.num_steps
    assert rate.schedule.total_steps == made.message.train_config.num_steps
    assert rate.schedule.warmup_steps == made.message.train_config.num_steps // 4
    assert rate.schedule.learning_rate_base == pytest.approx(0.4)
    ratio = before.schedule.warmup_learning_rate / before.schedule.learning_rate_base
    assert rate.schedule.warmup_learning_rate == pytest.approx(0.4 * ratio)


def test_augmentation_off_is_none_at_all_and_on_is_the_configs_own() -> None:
    base = zoo.build(zoo.find("ssd_mobilenet_v2_fpnlite_320x320"))
    assert not trial_config.build(base, {"augmentation": False}).message.train_config.data_augmentation_options
    assert trial_config.build(base, {"augmentation": True}).message == base.message


def test_a_paths_value_is_set_as_set_would() -> None:
    base = zoo.build(zoo.find("demo_ssd"))
    path = "train_config.data_augmentation_options[0].random_horizontal_flip.probability"
    made = trial_config.build(base, {path: 0.25, "train_config.freeze_variables[+]": "x"})
    assert made.message.train_config.data_augmentation_options[0].random_horizontal_flip.probability == 0.25
    assert list(made.message.train_config.freeze_variables) == ["x"]


def test_what_a_parameter_contains() -> None:
    assert ValueRange(0.0, 1.0).contains(1)
    assert not ValueRange(0.0, 1.0).contains(1.1)
    assert not ValueRange(0.0, 1.0).contains(True)
    assert not ValueRange(0.0, 9.0, whole=True).contains(1.5)
    assert ValueRange(1.0, 9.0, step=2.0, whole=True).contains(3)
    assert not ValueRange(1.0, 9.0, step=2.0, whole=True).contains(4)
    assert Choices((1, 2)).contains(2)
    assert not Choices((1, 2)).contains(True)
    assert Choices((True, False)).contains(True)
