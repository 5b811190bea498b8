"""The fields that say what training starts from."""

from __future__ import annotations

from pathlib import Path

from odtool.pipeline import start_checkpoints
from odtool.pipeline.text import messages
from odtool.pipeline.text.draft import SET, ConfigDraft

_LOWEST_DECAY = 0.9
_SETTLING_TIMES = 30
"""Time constants of the averages, 1 / (1 - decay) steps each, that a training should hold at least."""
_FIELDS = ("fine_tune_checkpoint", "fine_tune_checkpoint_type")


def start_from(draft: ConfigDraft, checkpoint: Path) -> None:
    """Starts from a checkpoint's weights.

    `detection` restores the backbone and the layers on it, for every architecture (restore_from_objects of the API's
    meta architectures; CenterNet's `fine_tune` is refused by it now); the shipped configs' `classification` restores
    the backbone only. A checkpoint of a classification backbone can be read in no other way.
    """
    train_config = draft.message.train_config
    train_config.fine_tune_checkpoint = str(checkpoint)
    draft.give_reason("the checkpoint found", "train_config.fine_tune_checkpoint")
    if start_checkpoints.holds_detector(checkpoint):
        train_config.fine_tune_checkpoint_type = "detection"
        reason = "restores the whole feature extractor, not only the backbone; the heads are new"
    else:
        train_config.fine_tune_checkpoint_type = "classification"
        reason = "the checkpoint holds a classification backbone"
    draft.give_reason(reason, "train_config.fine_tune_checkpoint_type")
    _use_tf2(draft)


def start_from_scratch(draft: ConfigDraft, note: str) -> None:
    """Starts from random weights; `note` says why."""
    for field in _FIELDS:
        draft.message.train_config.ClearField(field)
    draft.give_reason("no checkpoint: training starts from scratch", *(f"train_config.{field}" for field in _FIELDS))
    _use_tf2(draft)
    _train_batch_norm(draft)
    draft.notes.append(note)


def _train_batch_norm(draft: ConfigDraft) -> None:
    """Faster R-CNN's configs for GPUs freeze the backbone's batch norm: at random weights it would not normalise."""
    if draft.message.model.WhichOneof("model") != "faster_rcnn":
        return
    extractor = draft.message.model.faster_rcnn.feature_extractor
    if not extractor.batch_norm_trainable:
        extractor.batch_norm_trainable = True
        where = "model.faster_rcnn.feature_extractor.batch_norm_trainable"
        draft.give_reason("from scratch: there are no averages to keep", where)


def settle_batch_norm(draft: ConfigDraft) -> None:
    """Lets batch norm's moving averages settle within a short training from scratch.

    They forget their random start by `decay` a step; evaluation runs on them. The zoo's 0.997 fits its long schedules:
    a small SSD from scratch gave mAP 0.00 with it after 400 steps, and 0.60 after 300 with a recipe that has 0.9 (and
    Adam) in its place. What the user set stays.
    """
    steps = draft.message.train_config.num_steps
    decay = round(max(_LOWEST_DECAY, 1 - _SETTLING_TIMES / max(steps, 1)), 4)
    for path, norm in messages.find_messages(draft.message.model, "BatchNorm", "model"):
        if norm.decay > decay and draft.find_reason(f"{path}.decay") != SET:
            norm.decay = decay
            draft.give_reason(
                f"settles within {steps} steps from scratch; evaluation uses the averages", f"{path}.decay"
            )


def keep_checkpoint(draft: ConfigDraft) -> None:
    """Keeps the user's own checkpoint and type, in the form that TensorFlow 2 reads.

    Raises:
        ConfigError: the checkpoint is missing or incomplete.
    """
    train_config = draft.message.train_config
    train_config.fine_tune_checkpoint = str(
        start_checkpoints.find(Path(train_config.fine_tune_checkpoint).expanduser())
    )
    draft.give_reason("the checkpoint's absolute prefix", "train_config.fine_tune_checkpoint")
    if train_config.fine_tune_checkpoint_type == "fine_tune":
        train_config.fine_tune_checkpoint_type = "detection"
        draft.give_reason("the API's new name for fine_tune", "train_config.fine_tune_checkpoint_type")
    if start_checkpoints.restores_nothing(train_config):
        train_config.fine_tune_checkpoint_type = "detection"
        reason = "the checkpoint holds a detector, of which classification would restore nothing"
        draft.give_reason(reason, "train_config.fine_tune_checkpoint_type")
    _use_tf2(draft)


def _use_tf2(draft: ConfigDraft) -> None:
    version = draft.message.train_config.DESCRIPTOR.fields_by_name["fine_tune_checkpoint_version"].enum_type
    draft.message.train_config.fine_tune_checkpoint_version = version.values_by_name["V2"].number
    draft.give_reason("TensorFlow 2 reads V2 only", "train_config.fine_tune_checkpoint_version")
