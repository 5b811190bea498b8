"""What a config says, found once."""

from __future__ import annotations

from pathlib import Path

import pytest

from odtool.errors import ConfigError
from odtool.pipeline.text import config
from odtool.pipeline.text.facts import derive_facts, find_learning_rate, read_facts
from odtool.workspace import Dataset


@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        ("ssd_efficientdet_d0_512x512_coco17_tpu-8", "ssd"),
        ("faster_rcnn_resnet50_v1_640x640_coco17_tpu-8", "faster_rcnn"),
        ("mask_rcnn_inception_resnet_v2_1024x1024_coco17_gpu-8", "mask_rcnn"),
        ("centernet_resnet101_v1_fpn_512x512_coco17_tpu-8", "center_net"),
    ],
)
def test_architecture_and_classes_read_alike(shared_data: Path, name: str, architecture: str) -> None:
    facts = read_facts(shared_data / "zoo_configs" / f"{name}.config")
    assert (facts.architecture, facts.num_classes) == (architecture, 90)


def test_context_rcnn_has_a_name_of_its_own() -> None:
    text = "model { faster_rcnn { num_classes: 2 context_config { max_num_context_features: 8 } } }"
    assert derive_facts(config.parse(text, "f")).architecture == "context_rcnn"


def test_a_config_without_a_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="model: not set"):
        derive_facts(config.parse("train_config { batch_size: 1 }", "f"))
    with pytest.raises(ConfigError, match=r"my\.config: model: experimental_model is not an architecture"):
        derive_facts(config.parse("model { experimental_model { } }", "f"), Path("my.config"))


@pytest.mark.parametrize(
    ("resizer", "size"),
    [
        ("fixed_shape_resizer { height: 300 width: 400 }", (300, 400)),
        ("keep_aspect_ratio_resizer { max_dimension: 640 pad_to_max_dimension: true }", (640, 640)),
        ("keep_aspect_ratio_resizer { max_dimension: 640 }", None),
        ("identity_resizer { }", None),
        ("", None),
    ],
)
def test_the_input_size_is_what_every_image_is_brought_to(resizer: str, size: tuple[int, int] | None) -> None:
    facts = derive_facts(config.parse(f"model {{ ssd {{ image_resizer {{ {resizer} }} }} }}", "f"))
    assert facts.input_size == size
    assert facts.resizer[0] == (resizer.split(maxsplit=1)[0] if resizer else None)


def test_the_learning_rate_has_its_path_and_needs_no_model() -> None:
    rate = "optimizer { adam_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.5 } } } }"
    found = find_learning_rate(config.parse(f"train_config {{ {rate} }}", "f"))
    assert found is not None
    assert found.path == "train_config.optimizer.adam_optimizer.learning_rate.constant_learning_rate"
    assert found.schedule.learning_rate == 0.5
    for text in ("", "optimizer { }", "optimizer { adam_optimizer { } }"):
        assert find_learning_rate(config.parse(f"train_config {{ {text} }}", "f")) is None


def test_readers_know_their_paths_their_files_and_what_prepare_says_of_them(tmp_path: Path) -> None:
    for name in ("a.tfrecord", "b.tfrecord"):
        (tmp_path / name).touch()
    loaded = config.parse("model { ssd { } }", "f")
    loaded.message.train_input_reader.tf_record_input_reader.input_path.append(f"{tmp_path}/*.tfrecord")
    loaded.message.eval_input_reader.add(label_map_path="classes.pbtxt")
    training, evaluation = derive_facts(loaded).readers
    assert (training.path, evaluation.path) == ("train_input_reader", "eval_input_reader[0]")
    assert [path.name for path in training.files] == ["a.tfrecord", "b.tfrecord"]
    assert (training.label_map, evaluation.label_map) == (None, Path("classes.pbtxt"))
    assert training.prepared == ()
    assert not Dataset(tmp_path).summary.exists()
