"""Steps of data augmentation: what follows the input size, what the API refuses, and what fails while it trains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from odtool.errors import ConfigError
from odtool.pipeline.checks import input_sizes
from odtool.pipeline.text.diff import Draft

_SQUARE = "random_scale_crop_and_pad_to_square"
_NOT_ON_TENSORFLOW_2 = {
    "autoaugment_image": "the API's needs tf.contrib, which TensorFlow 2 does not have",
    "subtract_channel_mean": "the API's fails on TensorFlow 2, whatever the means; the models subtract their own",
}
_NEEDED = {
    "normalize_image": ("original_minval", "original_maxval", "target_minval", "target_maxval"),
    "random_resize_method": ("target_height", "target_width"),
    "resize_image": ("new_height", "new_width"),
}
"""Fields whose defaults are of no use (core/preprocessor.py)."""
_PAIRS = {"random_pad_image": (("min_image_height", "min_image_width"), ("max_image_height", "max_image_width"))}
"""Fields of which both are set, or none (builders/preprocessor_builder.py)."""
_OF_TWO = ("min_padded_size_ratio", "max_padded_size_ratio")
"""Lists of two elements or none, by the same."""


def follow_size(draft: Draft, before: tuple[int, int] | None) -> None:
    """Keeps the squares that training images are cut to as large as the model's input, where they were.

    Args:
        before: height and width that images were brought to until the user's changes; None for many sizes.
    """
    after = input_sizes.fixed(draft.config)
    if before is None or after is None or after == before or after[0] != after[1]:
        return
    for index, option in enumerate(draft.message.train_config.data_augmentation_options):
        path = f"train_config.data_augmentation_options[{index}].{_SQUARE}.output_size"
        if option.WhichOneof("preprocessing_step") == _SQUARE and not draft.reason(path):
            step = getattr(option, _SQUARE)
            if before == (step.output_size, step.output_size):
                step.output_size = after[0]
                draft.because("as large as the resizer makes every image", path)


def contradictions(settings: Any) -> Iterator[ConfigError]:
    """Every one of them, with its field and the mend.

    Args:
        settings: a TrainConfig message.
    """
    for index, step in enumerate(settings.data_augmentation_options):
        name = step.WhichOneof("preprocessing_step")
        path = f"train_config.data_augmentation_options[{index}]"
        if name is None:
            yield ConfigError(f"{path} names no step", "Name one, such as random_horizontal_flip { }, or take it out.")
        else:
            yield from _of_step(name, getattr(step, name), f"{path}.{name}")


def _of_step(name: str, step: Any, path: str) -> Iterator[ConfigError]:
    if name in _NOT_ON_TENSORFLOW_2:
        yield ConfigError(f"{path}: {_NOT_ON_TENSORFLOW_2[name]}", "Take the step out.")
    for field in _NEEDED.get(name, ()):
        if not _is_given(step, field):
            yield ConfigError(f"{path}.{field} is not set", "It has no default that can be used.")
    if name == "ssd_random_crop_pad" and len(step.operations) != 1:
        told = f"{len(step.operations)} operations" if step.operations else "the operations of its default"
        yield ConfigError(
            f"{path}: the API's choice among {told} fails on TensorFlow 2", "Give it one, or use ssd_random_crop."
        )
    for one, other in _PAIRS.get(name, ()):
        if step.HasField(one) != step.HasField(other):
            missing = other if step.HasField(one) else one
            yield ConfigError(f"{path}.{missing} is not set", f"Set both {one} and {other}, or neither.")
    for field in _OF_TWO:
        if field in step.DESCRIPTOR.fields_by_name and len(getattr(step, field)) not in (0, 2):
            yield ConfigError(f"{path}.{field} has {len(getattr(step, field))} numbers", "Give two, or none.")


def _is_given(step: Any, field: str) -> bool:
    """Whether it is set, and a size to more than 0."""
    value = getattr(step, field)
    if isinstance(value, float):
        return bool(step.HasField(field))
    return bool(value)
