"""Finding the checkpoint that the user meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from odtool.errors import ConfigError
from odtool.pipeline import start_checkpoints


def write_checkpoint(folder: Path, name: str = "ckpt-0") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.index").touch()
    (folder / f"{name}.data-00000-of-00001").touch()
    return folder / name


def test_a_prefix_or_any_file_of_it_names_the_checkpoint(tmp_path: Path) -> None:
    prefix = write_checkpoint(tmp_path)
    for name in ("ckpt-0", "ckpt-0.index", "ckpt-0.data-00000-of-00001"):
        assert start_checkpoints.find(tmp_path / name) == prefix


def test_a_zoo_folder_gives_the_checkpoint_in_its_checkpoint_folder(tmp_path: Path) -> None:
    prefix = write_checkpoint(tmp_path / "model" / "checkpoint")
    (tmp_path / "model" / "checkpoint" / "checkpoint").write_text('model_checkpoint_path: "ckpt-0"\n')
    assert start_checkpoints.find(tmp_path / "model") == prefix
    assert start_checkpoints.find(tmp_path / "model" / "checkpoint") == prefix


def test_without_a_state_file_the_newest_checkpoint_counts(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "ckpt-9")
    assert start_checkpoints.find(tmp_path) == tmp_path / "ckpt-9"
    newest = write_checkpoint(tmp_path, "ckpt-10")
    assert start_checkpoints.find(tmp_path) == newest


@pytest.mark.parametrize(
    ("gone", "message"),
    [("ckpt-0.index", r"ckpt-0\.index: missing"), ("ckpt-0.data-00000-of-00001", "has no weights")],
)
def test_a_missing_file_is_named(tmp_path: Path, gone: str, message: str) -> None:
    prefix = write_checkpoint(tmp_path)
    (tmp_path / gone).unlink()
    with pytest.raises(ConfigError, match=message):
        start_checkpoints.find(prefix)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    prefix = write_checkpoint(tmp_path)
    (tmp_path / "ckpt-0.data-00000-of-00001").rename(tmp_path / "ckpt-0.data-00000-of-00002")
    with pytest.raises(ConfigError, match="data-00001-of-00002: missing"):
        start_checkpoints.find(prefix)


def test_nothing_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such checkpoint"):
        start_checkpoints.find(tmp_path / "ckpt-0")
    with pytest.raises(ConfigError, match="no checkpoint in it"):
        start_checkpoints.find(tmp_path)


def test_the_zoos_index_without_its_weights_is_refused(shared_data: Path) -> None:
    folder = shared_data / "zoo_checkpoint" / "ssd_mobilenet_v2_fpnlite_320x320_coco17_tpu-8"
    with pytest.raises(ConfigError, match="has no weights"):
        start_checkpoints.find(folder)
