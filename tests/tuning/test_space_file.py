"""A search space in a file: what is read, and where a fault is."""

from __future__ import annotations

from pathlib import Path

import pytest

from odtool.errors import ConfigError
from odtool.pipeline.text.config import PipelineConfig
from odtool.pipeline.zoo import zoo
from odtool.tuning import space_file
from odtool.tuning.parameters import Choices, ValueRange

GAMMA = "model.ssd.loss.classification_loss.weighted_sigmoid_focal.gamma"


@pytest.fixture(scope="module")
def base() -> PipelineConfig:
    return zoo.build(zoo.find("demo_ssd"))


def read(text: str, base: PipelineConfig, folder: Path, ending: str = "toml") -> dict:
    path = folder / f"space.{ending}"
    path.write_text(text)
    return {parameter.name: parameter.distribution for parameter in space_file.read(path, base)}


def test_toml_and_yaml_say_the_same(base: PipelineConfig, tmp_path: Path) -> None:
    numbers = "{low = 1e-4, high = 1e-2, log = true}", "{low = 1, high = 3, step = 0.5}"
    toml = f'learning_rate = {numbers[0]}\nbatch_size = [4, 8]\n"{GAMMA}" = {numbers[1]}'
    yaml = toml.replace(" =", ":").replace('"', "")
    expected = {
        "learning_rate": ValueRange(1e-4, 1e-2, log=True),
        "batch_size": Choices((4, 8)),
        GAMMA: ValueRange(1.0, 3.0, step=0.5),
    }
    assert read(toml, base, tmp_path) == expected
    assert read(yaml, base, tmp_path, "yaml") == expected


def test_a_path_may_stand_without_quotes_and_in_tables(base: PipelineConfig, tmp_path: Path) -> None:
    dotted = "train_config.batch_size = {low = 2, high = 6, step = 2}"
    table = "[train_config]\nbatch_size = {low = 2, high = 6, step = 2}"
    nested = "[train_config.batch_size]\nlow = 2\nhigh = 6\nstep = 2"
    for text in (dotted, table, nested):
        assert read(text, base, tmp_path) == {"train_config.batch_size": ValueRange(2.0, 6.0, step=2.0, whole=True)}


def test_elements_of_lists_and_texts_can_be_varied(base: PipelineConfig, tmp_path: Path) -> None:
    space = read(
        '"model.ssd.anchor_generator.multiscale_anchor_generator.aspect_ratios[0]" = {low = 0.5, high = 2}\n'
        "model.ssd.feature_extractor.conv_hyperparams.activation = ['RELU', 'RELU_6']",
        base,
        tmp_path,
    )
    assert [type(values) for values in space.values()] == [ValueRange, Choices]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("\nlearning_rate = {low = 1, hi = 2}", 2, "'hi' is not one of low, high, log, step, choices"),
        ("learning_rat = [1, 2]", 1, "neither a parameter nor a path"),
        ("batch_size = [1.5]", 1, "'1.5' is not a whole number"),
        ("batch_size = [true]", 1, "is not a whole number"),
        ("augmentation = [1, 0]", 1, "is not true or false"),
        ("augmentation = {low = 0, high = 1}", 1, "is true or false"),
        ("# first\n[train_config]\n\nbatch_sze = [1]", 4, "has no field 'batch_sze'"),
        ("train_config.batch_size = {low = 1, high = 2.5}", 1, "whole numbers only"),
        ("train_config.batch_size = ['many']", 1, "not a value for batch_size"),
        ("train_config.optimizer = {low = 1, high = 2}", 1, "is not a number"),
        ("train_config = {}", 1, "neither a parameter nor a path"),
        ("learning_rate = 0.1", 1, "neither a range nor a list"),
        ("learning_rate = 'x'", 1, "neither a range nor a list"),
        ("learning_rate = []", 1, "not a list of values"),
        ("learning_rate = {low = 1}", 1, "high: is missing"),
        ("learning_rate = {low = 2, high = 1}", 1, "low: 2 is not below high, 1"),
        ("learning_rate = {low = 1, high = 1}", 1, "not below"),
        ("learning_rate = {low = 'a', high = 1}", 1, "low: 'a' is not a number"),
        ("learning_rate = {low = true, high = 2}", 1, "low: 'True' is not a number"),
        ("learning_rate = {low = -1, high = 1}", 1, "-1 is not from 1e-12"),
        ("learning_rate = {low = nan, high = 1}", 1, "not a number"),
        ("focal_gamma = {low = 0, high = 1, log = true}", 1, "log: needs a low above 0"),
        ("focal_gamma = {low = 0, high = 1, log = 1}", 1, "log: '1' is neither true nor false"),
        ("focal_gamma = {low = 0, high = 1, step = 2}", 1, "step: 2 is not more than 0"),
        ("focal_alpha = [0.5, 1.5]", 1, "1.5 is not from 0 to 1"),
        ("batch_size = {choices = [1, 2], low = 1}", 1, "choices and a range"),
        ("batch_size = {choices = 'ab'}", 1, "not a list of values"),
        ("batch_size = [2, 2]", 1, "there twice"),
        ("batch_size = [2026-01-01]", 1, "neither a number"),
        ("batch_size = [99999999999999999999]", 1, "more than 64 bits"),
        ("learning_rate = \n", 1, "Invalid value"),
        ("batch_size = [1]\nbatch_size = [2]", 2, "Cannot overwrite a value"),
        ("model.faster_rcnn.number_of_stages = [1]\nbatch_size = [1", 2, "Unclosed array"),
    ],
)
def test_a_fault_is_told_with_its_line(
    text: str, line: int, problem: str, base: PipelineConfig, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text, base, tmp_path)
    assert caught.value.message.startswith(f"{tmp_path / 'space.toml'}:{line}: ")
    assert problem in caught.value.message


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("batch_size: [1]\nlearning_rate:\n  low: 1\n  high: x", 2, "high: 'x' is not a number"),
        ("a: &name [1]\nb: *name", 2, "has an alias"),
        ("batch_size: [1]\nbatch_size: [2]", 2, "'batch_size' is there twice"),
        ("- batch_size", 1, "not a table"),
        ("1: [2]", 1, "a name is not a text"),
        ("batch_size: [1", 1, "expected"),
        ("batch_size: !!python/object/apply:os.system ['true']", 1, "has a type"),
        ("batch_size: !!int ''", 1, "has a type"),
        ("batch_size: !!bool x", 1, "has a type"),
        ("batch_size: !!timestamp x", 1, "has a type"),
        ("? !!str [a]\n: 1", 1, "has a type"),
        ('batch_size: ["\\ud800"]', 1, "not a text of Unicode"),
    ],
)
def test_so_it_is_in_yaml(text: str, line: int, problem: str, base: PipelineConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text, base, tmp_path, "yaml")
    assert caught.value.message.startswith(f"{tmp_path / 'space.yaml'}:{line}: ")
    assert problem in caught.value.message


@pytest.mark.parametrize("ending", ["toml", "yaml"])
def test_a_file_without_a_parameter_is_refused(ending: str, base: PipelineConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no parameter"):
        read("# nothing\n", base, tmp_path, ending)


def test_other_files_are_refused(base: PipelineConfig, tmp_path: Path) -> None:
    for name, content in (("space.json", b"{}"), ("space.toml", b"\xff\xfe"), ("deep.yaml", b"[" * 5000)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError, match=name):
            space_file.read(tmp_path / name, base)
    with pytest.raises(ConfigError, match="no such file"):
        space_file.read(tmp_path / "none.toml", base)
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(ConfigError, match="a folder"):
        space_file.read(tmp_path / "folder.toml", base)


def test_what_this_model_does_not_have_is_refused(tmp_path: Path) -> None:
    center_net = zoo.build(zoo.find("centernet_resnet101_v1_fpn_512x512"))
    for name, problem in (
        ("focal_alpha", "no focal loss"),
        ("anchor_scale", "no single scale"),
        ("weight_decay", "no L2 regularizer"),
        ("warmup", "no warm-up"),
    ):
        with pytest.raises(ConfigError, match=problem):
            read(f"{name} = [0.1, 0.2]", center_net, tmp_path)


def test_no_more_of_a_value_is_shown_than_its_fault_takes(base: PipelineConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'secretsecretsecretse…' is neither a range") as error:
        read(f"learning_rate: {'secret' * 50}", base, tmp_path, "yaml")
    assert error.value.message.count("secret") <= 3
