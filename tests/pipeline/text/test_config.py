"""Reading and writing pipeline.config."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from odtool.errors import ConfigError
from odtool.pipeline.text import config


def test_every_shipped_config_round_trips(shared_data: Path) -> None:
    paths = sorted((shared_data / "zoo_configs").glob("*.config"))
    assert len(paths) == 36
    for path in paths:
        loaded = config.load(path)
        again = config.parse(config.dump(loaded), str(path))
        assert again == loaded, path.name


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("model {\n ssd {\n  num_clases: 3\n }\n}", "f:3: Ssd has no field 'num_clases'", "Did you mean num_classes?"),
        ("modle {}", "f:1: TrainEvalPipelineConfig has no field 'modle'", "Did you mean model?"),
        (
            "model { ssd { feature_extractor { conv_hyperparams {\nactivation: RELU7 } } } }",
            "f:2: Activation has no value 'RELU7'",
            "Did you mean RELU or RELU_6?",
        ),
        ('train_config {\n\n batch_size: "a"\n}', "f:3: ", "Fix that line"),
        ("train_config {", "f:1: ", "Fix that line"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_the_nearest_name(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.parse(text, "f")
    assert caught.value.message.startswith(message)
    assert caught.value.hint.startswith(hint)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        config.load(tmp_path / "pipeline.config")


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.config"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not a text file"):
        config.load(path)


def test_a_mark_of_utf8_and_ends_of_lines_as_windows_writes_them_are_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "a.config").write_bytes(b"\xef\xbb\xbftrain_config {\r\n  batch_size: 3\r\n}\r\n")
    assert config.load(tmp_path / "a.config").message.train_config.batch_size == 3


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (os.mkfifo, "a named pipe, not a file"),
        (lambda path: path.symlink_to("/dev/zero"), "a device, not a file"),
        (Path.mkdir, "a folder, not a file"),
        (lambda path: path.write_bytes(b"[a.b] { " + b"c { " * 100_000), "nested too deeply"),
        (lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 1 << 30), "it has 1,073,741,824 bytes"),
    ],
)
def test_what_is_no_config_is_neither_waited_for_nor_read_without_end(
    tmp_path: Path, make: Callable[[Path], object], problem: str
) -> None:
    make(tmp_path / "a.config")
    with pytest.raises(ConfigError, match=f"a.config.*{problem}"):
        config.load(tmp_path / "a.config")


def test_a_copy_does_not_share_the_message() -> None:
    loaded = config.parse("model { ssd { num_classes: 1 } }", "f")
    loaded.copy().message.model.ssd.num_classes = 2
    assert loaded.message.model.ssd.num_classes == 1


def test_saving_writes_a_comment_line_above_and_reads_back(tmp_path: Path) -> None:
    loaded = config.parse("model { ssd { num_classes: 1 } }", "f")
    config.save(loaded, tmp_path / "pipeline.config", heading="Written by a test.")
    assert (tmp_path / "pipeline.config").read_text().startswith("# Written by a test.\nmodel {")
    assert config.load(tmp_path / "pipeline.config") == loaded
