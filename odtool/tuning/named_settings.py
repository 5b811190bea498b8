"""Parameters with a name of their own, each of which sets several fields of a config that belong together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from odtool.pipeline.configure import batch_and_steps
from odtool.pipeline.text import messages
from odtool.pipeline.text.draft import ConfigDraft
from odtool.pipeline.text.facts import find_learning_rate
from odtool.tuning.parameters import Value

_WARMUP = {"cosine_decay_learning_rate": "warmup_steps", "exponential_decay_learning_rate": "burnin_steps"}
"""The field for warm-up of schedules that have one."""
REASON = "of the trial"


@dataclass(frozen=True)
class NamedSetting:
    """How a parameter is read from a config, and set in it."""

    kind: type[bool] | type[int] | type[float]
    read: Callable[[ConfigDraft], Value | None]
    """None where the config has no such thing."""
    write: Callable[[ConfigDraft, Any], None]
    low: float = 0
    """The least value that means anything, and the largest."""
    high: float = float("inf")
    missing: str = ""
    """What a config without it lacks."""


def _read_rate(draft: ConfigDraft) -> float | None:
    rate = find_learning_rate(draft.config)
    rates = batch_and_steps.list_rates(rate) if rate else []
    return max(rates, default=0.0) or None


def _write_rate(draft: ConfigDraft, value: float) -> None:
    """Scales the whole schedule, so that its highest rate is the value and its shape stays."""
    if peak := _read_rate(draft):
        batch_and_steps.scale_rates(draft, value / peak, REASON)


def _read_batch(draft: ConfigDraft) -> int:
    return int(draft.message.train_config.batch_size)


def _write_batch(draft: ConfigDraft, value: int) -> None:
    """Training sees as many images as before: the larger batch would win by more computing otherwise."""
    before, steps = _read_batch(draft), draft.message.train_config.num_steps
    batch_and_steps.set_batch_size(draft, value, REASON)
    batch_and_steps.set_steps(draft, max(1, round(steps * before / value)), f"as many images in batches of {value}")


def _read_warmup(draft: ConfigDraft) -> float | None:
    rate, steps = find_learning_rate(draft.config), draft.message.train_config.num_steps
    if rate is None or rate.kind not in _WARMUP or steps < 1:
        return None
    return round(float(getattr(rate.schedule, _WARMUP[rate.kind]) / steps), 6)


def _write_warmup(draft: ConfigDraft, value: float) -> None:
    rate = find_learning_rate(draft.config)
    if rate is not None and rate.kind in _WARMUP:
        field = _WARMUP[rate.kind]
        setattr(rate.schedule, field, round(value * draft.message.train_config.num_steps))
        draft.give_reason(REASON, f"{rate.path}.{field}")


def _read_augmentation(draft: ConfigDraft) -> bool | None:
    """None where there is none to switch off."""
    return True if draft.message.train_config.data_augmentation_options else None


def _write_augmentation(draft: ConfigDraft, value: bool) -> None:
    if not value:
        draft.message.train_config.ClearField("data_augmentation_options")
        draft.give_reason(REASON, "train_config.data_augmentation_options")


def _read_decay(draft: ConfigDraft) -> float | None:
    weights = [
        float(found.weight) for _, found in messages.find_messages(draft.message.model, "L2Regularizer", "model")
    ]
    return max(weights, default=0.0) or None


def _write_decay(draft: ConfigDraft, value: float) -> None:
    """Scales every L2 weight of the model, so that the largest is the value."""
    largest = _read_decay(draft)
    for path, regularizer in messages.find_messages(draft.message.model, "L2Regularizer", "model"):
        if largest:
            regularizer.weight = batch_and_steps.round_rate(regularizer.weight * value / largest)
            draft.give_reason(REASON, f"{path}.weight")


def _find_focal(draft: ConfigDraft) -> tuple[str, Any] | None:
    model = draft.message.model
    if model.WhichOneof("model") != "ssd":
        return None
    loss = model.ssd.loss.classification_loss
    kind = loss.WhichOneof("classification_loss")
    if kind is None or "focal" not in kind:
        return None
    return f"model.ssd.loss.classification_loss.{kind}", getattr(loss, kind)


def _focal(field: str) -> NamedSetting:
    def read(draft: ConfigDraft) -> float | None:
        focal = _find_focal(draft)
        return float(getattr(focal[1], field)) if focal else None

    def write(draft: ConfigDraft, value: float) -> None:
        if focal := _find_focal(draft):
            setattr(focal[1], field, value)
            draft.give_reason(REASON, f"{focal[0]}.{field}")

    high = 1.0 if field == "alpha" else float("inf")
    return NamedSetting(float, read, write, high=high, missing="the model has no focal loss")


def _find_anchors(draft: ConfigDraft) -> tuple[str, Any, str] | None:
    """Path, message and field of the one number that scales a model's anchors."""
    model = draft.message.model
    if model.WhichOneof("model") != "ssd":
        return None
    kind = model.ssd.anchor_generator.WhichOneof("anchor_generator_oneof")
    field = {"multiscale_anchor_generator": "anchor_scale", "ssd_anchor_generator": "min_scale"}.get(kind or "")
    if kind is None or field is None:
        return None
    return f"model.ssd.anchor_generator.{kind}", getattr(model.ssd.anchor_generator, kind), field


def _read_anchors(draft: ConfigDraft) -> float | None:
    anchors = _find_anchors(draft)
    return float(getattr(anchors[1], anchors[2])) if anchors else None


def _write_anchors(draft: ConfigDraft, value: float) -> None:
    if anchors := _find_anchors(draft):
        path, message, field = anchors
        setattr(message, field, value)
        draft.give_reason(REASON, f"{path}.{field}")


_NO_RATE = "the optimizer has no learning rate"
NAMED: dict[str, NamedSetting] = {
    # In the order in which they are set: the batch size moves steps and rates, warm-up is a share of the steps.
    "batch_size": NamedSetting(int, _read_batch, _write_batch, low=1, high=65536),
    "warmup": NamedSetting(
        float, _read_warmup, _write_warmup, high=0.9, missing="the learning rate's schedule has no warm-up"
    ),
    "learning_rate": NamedSetting(float, _read_rate, _write_rate, low=1e-12, missing=_NO_RATE),
    "weight_decay": NamedSetting(
        float, _read_decay, _write_decay, low=1e-12, missing="the model has no L2 regularizer with a weight"
    ),
    "augmentation": NamedSetting(
        bool, _read_augmentation, _write_augmentation, missing="the config has no data augmentation to switch off"
    ),
    "focal_alpha": _focal("alpha"),
    "focal_gamma": _focal("gamma"),
    "anchor_scale": NamedSetting(
        float, _read_anchors, _write_anchors, low=1e-6, missing="the model's anchors have no single scale"
    ),
}
"""warmup is a share of all steps; learning_rate the highest of the schedule; augmentation whether there is any."""
