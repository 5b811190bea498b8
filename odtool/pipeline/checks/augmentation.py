"""Checks of data augmentation: steps that the API refuses, or that fail while it trains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from odtool.pipeline.checks.finding import Finding, report_error
from odtool.pipeline.text.facts import ConfigFacts

_NOT_ON_TENSORFLOW_2 = {
    "autoaugment_image": "needs tf.contrib, which TensorFlow 2 does not have",
    "subtract_channel_mean": "always fails on TensorFlow 2; the models subtract their own means",
}
_NOT_TRAINABLE = {
    "rgb_to_gray": (
        "gives images of one channel, which no feature extractor takes",
        "Use random_rgb_to_gray { probability: 1.0 }.",
    ),
    "scale_boxes_to_pixel_coordinates": (
        "leaves boxes in pixels, but every model is trained on boxes in fractions of the image",
        "Remove this step.",
    ),
}
_REQUIRED = {
    "normalize_image": ("original_minval", "original_maxval", "target_minval", "target_maxval"),
    "random_resize_method": ("target_height", "target_width"),
    "resize_image": ("new_height", "new_width"),
}
"""Fields whose defaults are of no use (core/preprocessor.py)."""
_ABOVE_ZERO = {"min_aspect_ratio": ("0.5", "2"), "min_area": ("0.1", "1")}
"""Lower ends of ranges of crops, with an example of both ends."""
_PAIRS = {"random_pad_image": (("min_image_height", "min_image_width"), ("max_image_height", "max_image_width"))}
"""Fields of which both are set, or none (builders/preprocessor_builder.py)."""
_OF_TWO = ("min_padded_size_ratio", "max_padded_size_ratio")
"""Lists of two elements or none, by the same."""


def check_augmentation(facts: ConfigFacts) -> Iterator[Finding]:
    for index, option in enumerate(facts.message.train_config.data_augmentation_options):
        name = option.WhichOneof("preprocessing_step")
        path = f"train_config.data_augmentation_options[{index}]"
        if name is None:
            yield report_error(f"{path} names no step", "Name one, such as random_horizontal_flip { }, or remove it.")
        else:
            yield from _check_step(name, getattr(option, name), f"{path}.{name}")
            yield from _check_flip(facts, getattr(option, name), f"{path}.{name}")
            if name == "convert_class_logits_to_softmax" and not facts.message.train_config.use_multiclass_scores:
                yield report_error(
                    f"{path}.{name}: there are no scores to convert, as train_config.use_multiclass_scores is false",
                    "Remove this step.",
                )


def _check_flip(facts: ConfigFacts, step: Any, path: str) -> Iterator[Finding]:
    """Keypoints that are mirrored have to change names: a left eye becomes a right one (core/preprocessor.py)."""
    count, field = facts.readers[0].message.num_keypoints, "keypoint_flip_permutation"
    if count and field in step.DESCRIPTOR.fields_by_name and not step.keypoint_flip_permutation:
        yield report_error(
            f"{path}.{field} is empty, but train_input_reader.num_keypoints is {count}: which of them change places in "
            "a mirror is not known",
            f"--set '{path}.{field}={list(range(count))}' where none do, or remove this step.",
        )


def _check_step(name: str, step: Any, path: str) -> Iterator[Finding]:
    if name in _NOT_ON_TENSORFLOW_2:
        yield report_error(f"{path}: {_NOT_ON_TENSORFLOW_2[name]}", "Remove this step.")
    if name in _NOT_TRAINABLE:
        yield report_error(f"{path} {_NOT_TRAINABLE[name][0]}", _NOT_TRAINABLE[name][1])
    for field in _REQUIRED.get(name, ()):
        if not _is_given(step, field):
            yield report_error(f"{path}.{field} is not set", "It has no usable default.")
    if name == "ssd_random_crop_pad" and len(step.operations) != 1:
        choices = f"{len(step.operations)} operations" if step.operations else "its default operations"
        yield report_error(
            f"{path}: the API's random choice among {choices} fails on TensorFlow 2",
            "Give it one operation, or use ssd_random_crop.",
        )
    yield from _check_ranges(step, path)
    for index, operation in enumerate(getattr(step, "operations", ())):
        yield from _check_ranges(operation, f"{path}.operations[{index}]")
    yield from _check_companions(name, step, path)


def _check_companions(name: str, step: Any, path: str) -> Iterator[Finding]:
    for first, second in _PAIRS.get(name, ()):
        if step.HasField(first) != step.HasField(second):
            missing = second if step.HasField(first) else first
            yield report_error(f"{path}.{missing} is not set", f"Set both {first} and {second}, or neither.")
    for field in _OF_TWO:
        if field in step.DESCRIPTOR.fields_by_name and (count := len(getattr(step, field))) not in (0, 2):
            yield report_error(f"{path}.{field} needs 2 numbers or none, but has {count}", "Set two, or none.")


def _check_ranges(message: Any, path: str) -> Iterator[Finding]:
    """What TensorFlow refuses in the first batch, where it does not end in a shape that cannot be."""
    for field in message.DESCRIPTOR.fields:
        low_name, high_name = field.name, f"max_{field.name.removeprefix('min_')}"
        if not low_name.startswith("min_") or high_name not in message.DESCRIPTOR.fields_by_name:
            continue
        low, high = getattr(message, low_name), getattr(message, high_name)
        if not isinstance(low, (int, float)):  # lists of two
            continue
        if high == 0 and low_name in _ABOVE_ZERO:
            yield report_error(
                f"{path}.{high_name} is 0, as it is where it is not set: no part of an image is like that",
                f"Set {low_name} and {high_name}, such as {' and '.join(_ABOVE_ZERO[low_name])}.",
            )
        elif low > high > 0:  # 0 stands for a size that follows from the image's
            yield report_error(f"{path}.{low_name} {low:g} is above {high_name} {high:g}", "Set a range.")


def _is_given(step: Any, field: str) -> bool:
    """Whether it is set, and a size to more than 0."""
    value = getattr(step, field)
    if isinstance(value, float):
        return bool(step.HasField(field))
    return bool(value)
