"""Three of the API's steps between record and model, with the same results from fewer copies and operations.

An image that is moved only (mirrored, turned, cropped) stays bytes until that is done, in place of floats, which are
four times larger. Lists are padded by two operations each in place of ten. A batch of one image is taken apart and put
together without copying it. All three are put in where the API looks its own up, while it traces a data set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

import tensorflow as tf
from object_detection import inputs
from object_detection.core import preprocessor
from object_detection.core.standard_fields import InputDataFields
from object_detection.utils import shape_utils

MOVING = frozenset(
    {
        preprocessor.random_horizontal_flip,
        preprocessor.random_vertical_flip,
        preprocessor.random_rotation90,
        preprocessor.random_crop_image,
    }
)
"""Augmentations that put pixels elsewhere and compute nothing of them, so that bytes do as well as floats."""

_augment = inputs.augment_input_data
_preprocess = preprocessor.preprocess
_pad_or_clip = shape_utils.pad_or_clip_nd
_map = shape_utils.static_or_dynamic_map_fn


@contextmanager
def replacing_transforms() -> Iterator[None]:
    """While this lasts, the API traces data sets with the functions below."""
    with ExitStack() as stack:
        stack.enter_context(replacing(inputs, "augment_input_data", augment))
        stack.enter_context(replacing(shape_utils, "pad_or_clip_nd", pad_or_clip))
        stack.enter_context(replacing(shape_utils, "static_or_dynamic_map_fn", map_images))
        yield


@contextmanager
def replacing(module: ModuleType, name: str, function: Callable[..., Any]) -> Iterator[None]:
    """While this lasts, a module has this function under this name."""
    before = getattr(module, name)
    setattr(module, name, function)
    try:
        yield
    finally:
        setattr(module, name, before)


def augment(tensors: dict[str, Any], data_augmentation_options: list[tuple[Callable[..., Any], Any]]) -> dict[str, Any]:
    """`inputs.augment_input_data`, whose first steps work on bytes where all they do is move them.

    Args:
        tensors: of one record, by InputDataFields.
        data_augmentation_options: functions of `preprocessor` with their settings.
    """
    pixels = tensors[InputDataFields.image]
    first_fixed = next((i for i, (step, _) in enumerate(data_augmentation_options) if step not in MOVING), None)
    first, rest = (
        data_augmentation_options[:first_fixed],
        data_augmentation_options[first_fixed:] if first_fixed is not None else [],
    )
    if pixels.dtype != tf.uint8 or not first:
        return _augment(tensors, data_augmentation_options)  # type: ignore[no-any-return]  # the API is untyped

    def preprocess(tensors: dict[str, Any], _: Any, **settings: Any) -> dict[str, Any]:
        # The API hands over these very pixels, as floats.
        tensors = _preprocess({**tensors, InputDataFields.image: pixels[tf.newaxis]}, first, **settings)
        if rest:
            moved = tf.cast(tensors[InputDataFields.image], tf.float32)
            tensors = _preprocess({**tensors, InputDataFields.image: moved}, rest, **settings)
        return tensors

    with replacing(preprocessor, "preprocess", preprocess):
        return _augment(tensors, data_augmentation_options)  # type: ignore[no-any-return]  # the API is untyped


def pad_or_clip(tensor: Any, output_shape: list[Any]) -> Any:
    """`shape_utils.pad_or_clip_nd`: zeros after the end, or what is too long cut off.

    Args:
        tensor: of any type and rank.
        output_shape: a size for each dimension; None leaves one as it is.
    """
    sizes = tensor.shape.as_list()
    if not all(target is None or isinstance(target, int) for target in output_shape):
        return _pad_or_clip(tensor, output_shape)
    alike = [target in (None, size) for target, size in zip(output_shape, sizes, strict=True)]
    if all(alike):
        return tensor
    if not all(alike[1:]) or None in sizes[1:]:
        return _pad_or_clip(tensor, output_shape)
    shape = [output_shape[0], *sizes[1:]]
    padded = tf.concat([tensor, tf.zeros(shape, tensor.dtype)], 0)[: shape[0]]
    padded.set_shape(shape)
    return padded


def map_images(function: Callable[[Any], Any], elems: Any, *arguments: Any, **named: Any) -> Any:
    """`shape_utils.static_or_dynamic_map_fn`; a batch of one is given a dimension less and more, without a copy."""
    if not isinstance(elems, tf.Tensor) or elems.shape.rank is None or elems.shape[0] != 1:
        return _map(function, elems, *arguments, **named)
    outputs = function(tf.squeeze(elems, 0))
    return [output[tf.newaxis] for output in outputs] if isinstance(outputs, list) else outputs[tf.newaxis]
