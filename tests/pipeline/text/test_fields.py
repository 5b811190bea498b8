"""--set: any field, by its path."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.errors import ConfigError
from odtool.pipeline.text import config, diff, fields
from odtool.pipeline.text.config import PipelineConfig

TEXT = """
model { ssd { num_classes: 3 feature_extractor { type: "a" } } }
train_config {
  batch_size: 4
  optimizer { momentum_optimizer { momentum_optimizer_value: 0.5 } }
  data_augmentation_options { random_horizontal_flip {} }
  update_trainable_variables: "x"
  update_trainable_variables: "y"
}
eval_config { metrics_set: "m" super_categories { key: "k" value: "v" } }
eval_input_reader { label_map_path: "one" }
eval_input_reader { label_map_path: "two" }
"""


def assigned(assignment: str) -> Any:
    loaded = config.parse(TEXT, "f")
    fields.assign(loaded, assignment)
    return loaded.message


def get(message: Any, path: str) -> Any:
    return eval(f"message.{path}", {"message": message})  # the paths are this file's own


@pytest.mark.parametrize(
    ("assignment", "path", "value"),
    [
        ("train_config.batch_size=8", "train_config.batch_size", 8),
        (" train_config.batch_size = 8 ", "train_config.batch_size", 8),
        ("train_config.sync_replicas=True", "train_config.sync_replicas", True),
        ("train_config.fine_tune_checkpoint=/a b/[c]=d", "train_config.fine_tune_checkpoint", "/a b/[c]=d"),
        ('train_config.fine_tune_checkpoint="/quoted"', "train_config.fine_tune_checkpoint", "/quoted"),
        ("train_config.fine_tune_checkpoint=ü", "train_config.fine_tune_checkpoint", "ü"),
        ("train_config.fine_tune_checkpoint_version=V2", "train_config.fine_tune_checkpoint_version", 2),
        ("train_config.gradient_clipping_by_norm=1e1", "train_config.gradient_clipping_by_norm", 10.0),
        ("eval_input_reader[1].shuffle=false", "eval_input_reader[1].shuffle", False),
        ("eval_input_reader[-1].label_map_path=z", "eval_input_reader[1].label_map_path", "z"),
        ("eval_input_reader[+].label_map_path=z", "eval_input_reader[2].label_map_path", "z"),
        ("train_config.update_trainable_variables[1]=z", "train_config.update_trainable_variables[:]", ["x", "z"]),
        ("train_config.update_trainable_variables[+]=z", "train_config.update_trainable_variables[2]", "z"),
        ('train_config.update_trainable_variables=["z"]', "train_config.update_trainable_variables[:]", ["z"]),
        (
            "train_config.update_trainable_variables=[a/b, 'c, d',e f]",
            "train_config.update_trainable_variables[:]",
            ["a/b", "c, d", "e f"],
        ),
        ("train_config.update_trainable_variables=[]", "train_config.update_trainable_variables[:]", []),
        ("train_config.update_trainable_variables[0]=", "train_config.update_trainable_variables[:]", ["y"]),
        ("train_config.update_trainable_variables=", "train_config.update_trainable_variables[:]", []),
        ("train_config.batch_size=", "train_config.HasField('batch_size')", False),
        ("eval_config.super_categories[k]=w", "eval_config.super_categories['k']", "w"),
        ("eval_config.super_categories[new]=w", "eval_config.super_categories['new']", "w"),
        ("eval_config.super_categories[k]=", "eval_config.super_categories.get('k')", None),
        (
            "train_config.data_augmentation_options[+]={ random_crop_image { max_area: 0.5 } }",
            "train_config.data_augmentation_options[1].random_crop_image.max_area",
            0.5,
        ),
        (
            "train_config.data_augmentation_options[0].random_vertical_flip={}",
            "train_config.data_augmentation_options[0].WhichOneof('preprocessing_step')",
            "random_vertical_flip",
        ),
        ("model.ssd.anchor_generator.ssd_anchor_generator={}", "model.ssd.HasField('anchor_generator')", True),
    ],
)
def test_a_field_is_set(assignment: str, path: str, value: object) -> None:
    assert get(assigned(assignment), path) == value


@pytest.mark.parametrize(
    ("assignment", "message", "hint"),
    [
        ("train_config.batch_sizes=8", "TrainConfig has no field 'batch_sizes'", "Did you mean batch_size?"),
        ("trainconfig.batch_size=8", "has no field 'trainconfig'", "Did you mean train_config"),
        ("train_config.batch_size=-1", "a whole number of at least 0", ""),
        ("train_config.batch_size=1.5", "a whole number of at least 0", ""),
        ("train_config.batch_size=8 num_steps: 2", "also sets num_steps", "one --set for each"),
        ("train_config.sync_replicas=maybe", "true or false", ""),
        ("train_config.fine_tune_checkpoint_version=V3", "one of CheckpointVersion's names", "UNKNOWN, V1, V2"),
        ("train_config.optimizer=momentum", "the message Optimizer in braces", ""),
        ("train_config.optimizer={ adam {} }", "the message Optimizer in braces", "Did you mean adam_optimizer"),
        ("eval_input_reader.shuffle=false", "'eval_input_reader' is a list", "eval_input_reader[0]"),
        ("eval_input_reader[2].shuffle=false", "no element [2]", "0 to 1"),
        ("eval_input_reader[x].shuffle=false", "no element [x]", "0 to 1"),
        ("train_config[0].batch_size=1", "'train_config' is not a list", "Remove [0]"),
        ("train_config.batch_size[0]=1", "'batch_size' is not a list", "Remove [0]"),
        ("train_config.update_trainable_variables=z", "is a list", "update_trainable_variables[0]=z"),
        ("eval_config.metrics_set[+]=", "no value to add", "metrics_set[+]=VALUE"),
        (
            "train_config.data_augmentation_options[+]=random_adjust_hue{}",
            "in braces",
            "Write train_config.data_augmentation_options[+]={",
        ),
        ("train_config.batch_size.more=1", "has no fields below it", ""),
        ("eval_config.super_categories=v", "is a map", "super_categories[key]=value"),
        (
            "batch_size=8",
            "has no field 'batch_size'",
            "Did you mean train_config.batch_size or eval_config.batch_size?",
        ),
        ("eval_config.label_map_path=x", "has no field 'label_map_path'", "Known names: "),
        ("label_map_path=x", "no field 'label_map_path'", "Did you mean eval_input_reader[0].label_map_path or eval_i"),
        ("train_config.batch_size=many", "a whole number of at least 0", "from 0 to 4294967295"),
        ("train_config.gradient_clipping_by_norm=nan", "a number", "as 0.9, 1e-3"),
        ("train_config.gradient_clipping_by_norm=inf", "a number", "finite"),
        ("train_config.gradient_clipping_by_norm=1e50", "a number", "finite"),
        ("train_config.gradient_clipping_by_norm=0,8", "a number", "as 0.9, 1e-3"),
        ("train_config.optimizer={ adam_optimizer {}", "in braces", 'Expected "}".'),
        ("train_config.optimizer=adam_optimizer {}", "in braces", "Write train_config.optimizer={ field: value ... }"),
        ('train_config.update_trainable_variables=["z]', "update_trainable_variables, text", "a list as [one, two]"),
        ("train_config.batch_size", "not in the form", "For example"),
        ("=8", "not in the form", "For example"),
        ("train_config..batch_size=8", "cannot read the path at '.batch_size'", "For example"),
        ("train_config.batch-size=8", "cannot read the path at '-size'", "For example"),
    ],
)
def test_a_mistake_is_refused_with_what_to_write(assignment: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        assigned(assignment)
    assert caught.value.message.startswith(f"--set {assignment}: ")
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_changing_the_branch_of_a_oneof_is_reported() -> None:
    loaded = config.parse(TEXT, "f")
    adam = "train_config.optimizer.adam_optimizer"
    (switch,) = fields.assign(loaded, f"{adam}.learning_rate.constant_learning_rate.learning_rate=0.1").switches
    assert switch == fields.Switch("optimizer", "train_config.optimizer.momentum_optimizer", "adam_optimizer")
    assert loaded.message.train_config.optimizer.WhichOneof("optimizer") == "adam_optimizer"
    assert fields.assign(loaded, f"{adam}.epsilon=0.1").switches == []


@pytest.mark.parametrize(
    ("assignment", "path"),
    [
        ("eval_input_reader[-1].shuffle=true", "eval_input_reader[1].shuffle"),
        ("eval_input_reader[+].shuffle=true", "eval_input_reader[2].shuffle"),
        ("train_config.update_trainable_variables[+]=z", "train_config.update_trainable_variables[2]"),
        ("eval_config.super_categories[k]=w", "eval_config.super_categories[k]"),
    ],
)
def test_the_field_that_was_set_is_told_by_its_place(assignment: str, path: str) -> None:
    loaded = config.parse(TEXT, "f")
    assert fields.assign(loaded, assignment).path == path
    assert path in diff.flatten(loaded)


def scalar_paths(loaded: PipelineConfig) -> list[tuple[str, str]]:
    return [(path, text) for path, text in diff.flatten(loaded).items() if text != "{}"]


@given(st.integers(0, 2**32 - 1))
def test_any_whole_number_of_the_fields_range_is_taken(value: int) -> None:
    assert assigned(f"train_config.num_steps={value}").train_config.num_steps == value


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_any_number_is_taken_as_it_is_written(value: float) -> None:
    found = assigned(f"train_config.startup_delay_steps={value!r}").train_config.startup_delay_steps
    assert math.isclose(found, value, rel_tol=1e-6) or found == value


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_kept_as_it_is(value: str) -> None:
    value = value.strip()
    if not value or (value[0] == value[-1] and value[0] in "\"'"):
        return
    assert assigned(f"train_config.fine_tune_checkpoint={value}").train_config.fine_tune_checkpoint == value


@given(st.text(max_size=40))
def test_nonsense_is_taken_or_refused_but_never_a_traceback(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assigned(text)


def test_every_field_that_a_diff_shows_can_be_set_by_its_path() -> None:
    loaded = config.parse(TEXT, "f")
    for path, text in scalar_paths(loaded):
        again = loaded.copy()
        fields.assign(again, f"{path}={text}")
        assert again.message == loaded.message, path
