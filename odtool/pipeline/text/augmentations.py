"""The augmentations of a config in words: each step's name, what the config sets of it, and what it leaves as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SEVEN_CROPS = "one of 7, with min_object_covered and overlap_thresh 0, 0.1, 0.3, 0.5, 0.7, 0.9 or 1"
_FUNCTIONS_DEFAULTS = {
    ("random_downscale_to_target_pixels", "max_target_pixels"): "800000",
    ("ssd_random_crop", "operations"): _SEVEN_CROPS,
    ("ssd_random_crop_fixed_aspect_ratio", "operations"): _SEVEN_CROPS,
    ("ssd_random_crop_pad_fixed_aspect_ratio", "operations"): _SEVEN_CROPS,
}
"""Where the function (core/preprocessor.py) has a default of its own, which counts: an unset field is not passed on."""
_LONGEST = 300
"""Characters of a nested option."""


@dataclass(frozen=True)
class Augmentation:
    """One of `train_config.data_augmentation_options`."""

    name: str
    """As the config has it, such as random_horizontal_flip; '' where the option names no step."""
    options: Mapping[str, str]
    """What the config sets, by field."""
    defaults: Mapping[str, str]
    """What it does not set, where a default is known."""


def list_augmentations(message: Any) -> list[Augmentation]:
    """The steps of a TrainEvalPipelineConfig message, in the order in which they are applied."""
    return [describe(step) for step in message.train_config.data_augmentation_options]


def describe(option: Any) -> Augmentation:
    """A PreprocessingStep message."""
    name = option.WhichOneof("preprocessing_step")
    if name is None:
        return Augmentation("", {}, {})
    step = getattr(option, name)
    given = {field.name: _format(field, value) for field, value in step.ListFields()}
    defaults = {}
    for field in step.DESCRIPTOR.fields:
        own = _FUNCTIONS_DEFAULTS.get((name, field.name))
        is_scalar = field.message_type is None and not isinstance(field.default_value, list)
        if field.name not in given and (own or is_scalar):
            defaults[field.name] = own or _format(field, field.default_value)
    return Augmentation(name, given, defaults)


def _format(field: Any, value: Any) -> str:
    from google.protobuf import text_format

    if isinstance(value, (bool, str)):
        return str(value).lower() if isinstance(value, bool) else value
    if field.enum_type is not None:
        return str(field.enum_type.values_by_number[value].name) if isinstance(value, int) else str(value)
    if isinstance(value, (int, float)):
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    if field.message_type is not None:
        items = value if hasattr(value, "__len__") else [value]
        words = "; ".join(text_format.MessageToString(item, as_one_line=True).strip() for item in items)
        return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"
    return ", ".join(_format(field, item) for item in value)
