"""Checkpoints to start from: which files one is made of, and finding it from what the user typed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from odtool import state_files
from odtool.errors import ConfigError
from odtool.state_files import StateError

_NAMED_IN_STATE = re.compile(r'^\s*model_checkpoint_path\s*:\s*"((?:[^"\\]|\\.)*)"', re.MULTILINE)
_SUFFIX = re.compile(r"\.(index|data-\d{5}-of-\d{5}|meta)$")


def find(path: Path) -> Path:
    """The prefix of the checkpoint at `path`.

    Args:
        path: a prefix (`…/ckpt-0`), one of its files, or a folder that holds it or a folder `checkpoint/` with it
            (the layout of the zoo's tarballs).

    Raises:
        ConfigError: nothing is there, or one of its files is missing.
    """
    if path.is_dir():
        return _require_complete(_find_in_folder(path))
    return _require_complete(path.with_name(_SUFFIX.sub("", path.name)))


def _find_in_folder(folder: Path) -> Path:
    for place in (folder, folder / "checkpoint"):
        if (state := place / "checkpoint").is_file() and (match := _NAMED_IN_STATE.search(_read_state(state))):
            return place / re.sub(r"\\(.)", r"\1", match[1])
        if indexes := sorted(place.glob("*.index"), key=_parse_step):
            return indexes[-1].with_suffix("")
    raise ConfigError(
        f"{folder}: no checkpoint in it (neither a file 'checkpoint' nor a *.index)",
        "Use a checkpoint's prefix, such as model_zoo/<model>/checkpoint/ckpt-0, or --checkpoint none.",
    )


def _read_state(state: Path) -> str:
    try:
        return state_files.read_bytes(state).decode("utf-8", "replace")
    except StateError as error:
        raise ConfigError(f"{state}: not TensorFlow's list of checkpoints: {error}", "Name the checkpoint.") from None


def _parse_step(index: Path) -> int:
    match = re.search(r"-(\d+)\.index$", index.name)
    return int(match[1]) if match else -1


def _require_complete(prefix: Path) -> Path:
    index = prefix.with_name(f"{prefix.name}.index")
    shards = sorted(prefix.parent.glob(f"{_glob_escape(prefix.name)}.data-*-of-*"))
    if not index.is_file() and not shards:
        raise ConfigError(
            f"{prefix}: no such checkpoint", "Use a checkpoint's prefix, such as …/ckpt-0, or --checkpoint none."
        )
    if not index.is_file():
        raise ConfigError(
            f"{index}: missing, so the checkpoint {prefix} cannot be read", "Copy or download the checkpoint again."
        )
    if not shards:
        raise ConfigError(
            f"{prefix}.data-00000-of-00001: missing, so the checkpoint {prefix} has no weights",
            "Copy or download the checkpoint again.",
        )
    count = int(shards[0].name[-5:])
    for number in range(count):
        shard = prefix.with_name(f"{prefix.name}.data-{number:05d}-of-{count:05d}")
        if not shard.is_file():
            raise ConfigError(
                f"{shard}: missing, so the checkpoint {prefix} is incomplete", "Copy or download the checkpoint again."
            )
    return prefix.absolute()


def _glob_escape(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)


def holds_detector(prefix: Path) -> bool:
    """Whether a checkpoint was saved by training a detector, not an image classifier.

    The Object Detection API's training saves the detector as `model`; its converters of classification backbones save
    the network as `feature_extractor`. Names stand in the .index, uncompressed where a block of names begins.
    """
    index = prefix.with_name(f"{prefix.name}.index").read_bytes()
    return b"model/_" in index or b"feature_extractor/" not in index


def restores_nothing(train_config: Any) -> bool:
    """Whether a classification backbone is looked for, by name or by default, in a checkpoint of a detector.

    Args:
        train_config: a TrainConfig message, whose fine_tune_checkpoint is there.
    """
    kind = train_config.fine_tune_checkpoint_type or (
        "detection" if train_config.from_detection_checkpoint else "classification"  # config_util's default
    )
    return kind == "classification" and holds_detector(Path(train_config.fine_tune_checkpoint))
