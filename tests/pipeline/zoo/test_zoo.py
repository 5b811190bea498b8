"""The zoo's models, built from templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from odtool.errors import ConfigError
from odtool.pipeline.text import config
from odtool.pipeline.text.facts import derive_facts
from odtool.pipeline.zoo import zoo
from odtool.pipeline.zoo.catalogue import MODELS

SHIPPED = [model for model in MODELS if model.name != "demo_ssd"]


def without_paths(message: Any) -> Any:
    """The config without the placeholders for the user's data, one of which upstream misspells."""
    for reader in [message.train_input_reader, *message.eval_input_reader]:
        reader.ClearField("label_map_path")
        reader.ClearField("tf_record_input_reader")
    return message


@pytest.mark.parametrize("model", SHIPPED, ids=[model.name for model in SHIPPED])
def test_a_model_equals_the_shipped_config_field_by_field(shared_data: Path, model: Any) -> None:
    shipped = config.load(shared_data / "zoo_configs" / f"{model.name}.config").message
    assert without_paths(zoo.build(model).message) == without_paths(shipped)


def test_every_shipped_config_has_a_model(shared_data: Path) -> None:
    assert {path.stem for path in (shared_data / "zoo_configs").glob("*.config")} == {model.name for model in SHIPPED}


def test_every_model_says_what_its_config_says() -> None:
    for model in MODELS:
        built = zoo.build(model)
        facts = derive_facts(built)
        assert facts.architecture == model.architecture
        resizer = facts.model.image_resizer
        size = getattr(resizer, resizer.WhichOneof("image_resizer_oneof"))
        sides = (size.height, size.width) if hasattr(size, "height") else (size.min_dimension, size.max_dimension)
        assert sides == (model.height, model.width), model.name


def test_every_template_is_used_and_opens_with_what_it_is() -> None:
    used = {part for model in MODELS for part in model.parts}
    templates = sorted(zoo.find_templates().glob("*.config"))
    assert {path.name for path in templates} == used
    for path in templates:
        assert path.read_text().startswith("# "), path.name


@pytest.mark.parametrize(
    "name",
    [
        "ssd_efficientdet_d0_512x512_coco17_tpu-8",
        "ssd_efficientdet_d0_512x512",
        "efficientdet_d0_512x512",
        "efficientdet_d0_coco17_tpu-32",
        "EfficientDet_D0",
    ],
)
def test_a_model_is_found_by_any_of_its_names(name: str) -> None:
    assert zoo.find(name).name == "ssd_efficientdet_d0_512x512_coco17_tpu-8"


def test_no_name_means_two_models() -> None:
    for model in MODELS:
        for name in (model.name, model.folder, zoo.shorten_name(model.name)):
            assert zoo.find(name) is model


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        zoo.find("ssd_mobilenetv2_fpnlite_320x320")
    assert "Did you mean ssd_mobilenet_v2_fpnlite_320x320" in caught.value.hint


def test_the_demo_learns_from_scratch_on_small_images() -> None:
    built = zoo.build(zoo.find("demo_ssd")).message
    assert built.model.ssd.feature_extractor.depth_multiplier == pytest.approx(0.25)
    assert built.model.ssd.feature_extractor.conv_hyperparams.batch_norm.decay == pytest.approx(0.9)
    assert built.train_config.fine_tune_checkpoint == ""
    assert built.train_config.optimizer.WhichOneof("optimizer") == "adam_optimizer"
