"""What can be exported, told from the config."""

from __future__ import annotations

from typing import Any

import pytest

from odtool.errors import ConfigError
from odtool.pipeline.checks import exportable
from odtool.pipeline.text.config import PipelineConfig
from odtool.pipeline.text.facts import derive_facts
from odtool.pipeline.zoo import zoo
from odtool.pipeline.zoo.catalogue import MODELS


def build(name: str) -> PipelineConfig:
    return zoo.build(zoo.find(name))


def resizer(loaded: PipelineConfig) -> Any:
    return loaded.message.model.ssd.image_resizer


@pytest.mark.parametrize("name", [model.name for model in MODELS])
def test_of_the_zoo_all_but_two_stage_models_become_tflite_files(name: str) -> None:
    loaded = build(name)
    assert not exportable.find_obstacle(derive_facts(loaded), "savedmodel")
    assert not exportable.find_obstacle(derive_facts(loaded), "onnx")
    assert ("two-stage" in exportable.find_obstacle(derive_facts(loaded), "tflite")) == ("rcnn" in name)


def test_the_refusal_names_what_is_possible() -> None:
    with pytest.raises(ConfigError, match="--format tflite: ") as refusal:
        exportable.refuse(derive_facts(build("faster_rcnn_resnet50_v1_640x640")), ("savedmodel", "tflite"))
    assert refusal.value.hint == "It can be exported as: savedmodel, onnx."


def test_center_net_is_no_integer_file_and_the_others_are() -> None:
    center_net = derive_facts(build("centernet_resnet101_v1_fpn_512x512"))
    exportable.refuse(center_net, ("tflite",), ("float32", "float16"))
    exportable.refuse(center_net, ("savedmodel",), ("int8",))
    with pytest.raises(ConfigError, match="--tflite int8: CenterNet") as refusal:
        exportable.refuse(center_net, ("tflite",), ("float32", "int8"))
    assert "float16" in refusal.value.hint
    exportable.refuse(derive_facts(build("ssd_efficientdet_d0_512x512")), ("tflite",), ("int8",))


def test_context_rcnn_cannot_be_exported_at_all() -> None:
    loaded = build("faster_rcnn_resnet50_v1_640x640")
    loaded.message.model.faster_rcnn.context_config.max_num_context_features = 10
    for name in exportable.FORMATS:
        assert "memory of other images" in exportable.find_obstacle(derive_facts(loaded), name)


def test_tflite_wants_one_size_and_colours() -> None:
    loaded = build("demo_ssd")
    resizer(loaded).fixed_shape_resizer.convert_to_grayscale = True
    assert "grayscale" in exportable.find_obstacle(derive_facts(loaded), "tflite")
    resizer(loaded).keep_aspect_ratio_resizer.max_dimension = 200
    assert "images of different sizes" in exportable.find_obstacle(derive_facts(loaded), "tflite")
    resizer(loaded).keep_aspect_ratio_resizer.pad_to_max_dimension = True
    assert not exportable.find_obstacle(derive_facts(loaded), "tflite")
    resizer(loaded).keep_aspect_ratio_resizer.per_channel_pad_value.extend([1, 2, 3])
    assert "per_channel_pad_value" in exportable.find_obstacle(derive_facts(loaded), "tflite")


def test_the_size_of_the_input_is_that_of_the_padded_image() -> None:
    assert exportable.require_input_size(derive_facts(build("ssd_mobilenet_v2_fpnlite_320x320"))) == (320, 320)
    assert exportable.require_input_size(derive_facts(build("ssd_efficientdet_d1_640x640"))) == (640, 640)
    loaded = build("ssd_efficientdet_d1_640x640")
    resizer(loaded).keep_aspect_ratio_resizer.pad_to_max_dimension = False
    with pytest.raises(ConfigError, match="different sizes"):
        exportable.require_input_size(derive_facts(loaded))
