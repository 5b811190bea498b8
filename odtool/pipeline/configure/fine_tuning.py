"""The fields that say what training starts from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from odtool.pipeline import start_checkpoints
from odtool.pipeline.text import messages
from odtool.pipeline.text.diff import SET, Draft

_LOWEST_DECAY = 0.9
_SETTLING_TIMES = 30
"""Time constants of the averages, 1 / (1 - decay) steps each, that a training should hold at least."""
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
    if start_checkpoints.holds_detector(checkpoint):
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
    _train_batch_norm(draft)
    draft.notes.append(note)


def _train_batch_norm(draft: Draft) -> None:
    """Faster R-CNN's configs for GPUs freeze the backbone's batch norm: at random weights it would not normalise."""
    if draft.message.model.WhichOneof("model") != "faster_rcnn":
        return
    extractor = draft.message.model.faster_rcnn.feature_extractor
    if not extractor.batch_norm_trainable:
        extractor.batch_norm_trainable = True
        where = "model.faster_rcnn.feature_extractor.batch_norm_trainable"
        draft.because("from scratch: there are no averages that could be kept", where)


def settle_batch_norm(draft: Draft) -> None:
    """Lets batch norm's moving averages settle within a short training from scratch.

    They forget their random start by `decay` a step; evaluation runs on them. The zoo's 0.997 fits its long schedules:
    a small SSD from scratch gave mAP 0.00 with it after 400 steps, and 0.60 after 300 with a recipe that has 0.9 (and
    Adam) in its place. What the user set stays.
    """
    steps = draft.message.train_config.num_steps
    decay = round(max(_LOWEST_DECAY, 1 - _SETTLING_TIMES / max(steps, 1)), 4)
    for path, norm in _batch_norms(draft.message.model, "model"):
        if norm.decay > decay and draft.reason(f"{path}.decay") != SET:
            norm.decay = decay
            draft.because(f"settles within {steps} steps from scratch; evaluation uses the averages", f"{path}.decay")


def _batch_norms(message: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every BatchNorm message that is set below, with its path."""
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        elements = enumerate(value) if messages.is_repeated(field) else [(None, value)]
        for index, element in elements:
            below = f"{path}.{field.name}" if index is None else f"{path}.{field.name}[{index}]"
            if field.message_type.name == "BatchNorm":
                yield below, element
            else:
                yield from _batch_norms(element, below)


def keep(draft: Draft) -> None:
    """Keeps the user's own checkpoint and type, in the form that TensorFlow 2 reads.

    Raises:
        ConfigError: the checkpoint is missing or incomplete.
    """
    train_config = draft.message.train_config
    train_config.fine_tune_checkpoint = str(
        start_checkpoints.find(Path(train_config.fine_tune_checkpoint).expanduser())
    )
    draft.because("the checkpoint's absolute prefix", "train_config.fine_tune_checkpoint")
    if train_config.fine_tune_checkpoint_type == "fine_tune":
        train_config.fine_tune_checkpoint_type = "detection"
        draft.because("the API's new name for fine_tune", "train_config.fine_tune_checkpoint_type")
    if restores_nothing(train_config):
        train_config.fine_tune_checkpoint_type = "detection"
        why = "the checkpoint holds a detector, of which classification would restore nothing"
        draft.because(why, "train_config.fine_tune_checkpoint_type")
    _use_tf2(draft)


def restores_nothing(train_config: Any) -> bool:
    """Whether a classification backbone is looked for, by name or by default, in a checkpoint of a detector.

    Args:
        train_config: a TrainConfig message, whose fine_tune_checkpoint is there.
    """
    kind = train_config.fine_tune_checkpoint_type or (
        "detection" if train_config.from_detection_checkpoint else "classification"  # config_util's default
    )
    return kind == "classification" and start_checkpoints.holds_detector(Path(train_config.fine_tune_checkpoint))


def _use_tf2(draft: Draft) -> None:
    version = draft.message.train_config.DESCRIPTOR.fields_by_name["fine_tune_checkpoint_version"].enum_type
    draft.message.train_config.fine_tune_checkpoint_version = version.values_by_name["V2"].number
    draft.because("TensorFlow 2 reads V2 only", "train_config.fine_tune_checkpoint_version")
