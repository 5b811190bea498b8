"""The fields that say what training starts from."""

from __future__ import annotations

from pathlib import Path

from odtool.pipeline import checkpoints
from odtool.pipeline.diff import Draft

_FIELDS = ("fine_tune_checkpoint", "fine_tune_checkpoint_type")


def start_from(draft: Draft, checkpoint: Path) -> None:
    """Starts from a checkpoint's weights.

    `detection` restores the backbone and the layers on it, for every architecture (restore_from_objects of the API's
    meta architectures; CenterNet's `fine_tune` is refused by it now); the shipped configs' `classification` restores
    the backbone only. A checkpoint of a classification backbone can be read in no other way.
    """
    train_config = draft.message.train_config
    train_config.fine_tune_checkpoint = str(checkpoint)
    draft.because("the checkpoint found", "train_config.fine_tune_checkpoint")
    if checkpoints.holds_detector(checkpoint):
        train_config.fine_tune_checkpoint_type = "detection"
        why = "restores the whole feature extractor, not only the backbone; the heads are new"
    else:
        train_config.fine_tune_checkpoint_type = "classification"
        why = "the checkpoint holds a classification backbone"
    draft.because(why, "train_config.fine_tune_checkpoint_type")
    _use_tf2(draft)


def start_from_scratch(draft: Draft, note: str) -> None:
    """Starts from random weights; `note` says why."""
    for field in _FIELDS:
        draft.message.train_config.ClearField(field)
    draft.because("no checkpoint: training starts from scratch", *(f"train_config.{field}" for field in _FIELDS))
    _use_tf2(draft)
    draft.notes.append(note)


def keep(draft: Draft) -> None:
    """Keeps the user's own checkpoint and type, in the form that TensorFlow 2 reads.

    Raises:
        ConfigError: the checkpoint is missing or incomplete.
    """
    train_config = draft.message.train_config
    train_config.fine_tune_checkpoint = str(checkpoints.find(Path(train_config.fine_tune_checkpoint).expanduser()))
    draft.because("the checkpoint's absolute prefix", "train_config.fine_tune_checkpoint")
    if train_config.fine_tune_checkpoint_type == "fine_tune":
        train_config.fine_tune_checkpoint_type = "detection"
        draft.because("the API's new name for fine_tune", "train_config.fine_tune_checkpoint_type")
    _use_tf2(draft)


def _use_tf2(draft: Draft) -> None:
    version = draft.message.train_config.DESCRIPTOR.fields_by_name["fine_tune_checkpoint_version"].enum_type
    draft.message.train_config.fine_tune_checkpoint_version = version.values_by_name["V2"].number
    draft.because("TensorFlow 2 reads V2 only", "train_config.fine_tune_checkpoint_version")
