"""Lighter transforms give what the API's own give: pixels moved as bytes, lists padded, single images mapped."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("api")]


def decoded(api: Any) -> dict[str, Any]:
    """A record's tensors: an image of noise with three objects."""
    chance = np.random.default_rng(5)
    corners = np.sort(chance.random((3, 2, 2), dtype=np.float32), axis=1)
    return {
        "image": api.constant(chance.integers(0, 256, (37, 53, 3), dtype=np.uint8)),
        "groundtruth_boxes": api.constant(corners.reshape(3, 4)),
        "groundtruth_classes": api.constant([1, 2, 1], api.int64),
        "groundtruth_weights": api.ones([3]),
    }


@pytest.mark.parametrize(
    "steps",
    [
        ["random_horizontal_flip"],
        ["random_vertical_flip"],
        ["random_rotation90"],
        ["random_crop_image"],
        ["random_horizontal_flip", "random_crop_image"],
        ["random_horizontal_flip", "random_adjust_brightness", "random_crop_image"],
        ["random_adjust_brightness", "random_horizontal_flip"],
    ],
    ids="+".join,
)
def test_augmentation_of_bytes_is_augmentation_of_floats(
    api: Any, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from object_detection import inputs
    from object_detection.core import preprocessor, preprocessor_cache

    from odtool.engine.input import transforms

    options = [(getattr(preprocessor, step), {}) for step in steps]
    stock_augment, preprocess = inputs.augment_input_data, preprocessor.preprocess

    @api.function(autograph=False)
    def both() -> Any:
        # What is drawn once is remembered, so that both sides draw the same.
        same = functools.partial(preprocess, preprocess_vars_cache=preprocessor_cache.PreprocessorCache())
        monkeypatch.setattr(preprocessor, "preprocess", same)
        monkeypatch.setattr(transforms, "_preprocess", same)
        return stock_augment(decoded(api), options), transforms.augment(decoded(api), options)

    moved = 0
    for _ in range(12):
        floats, found = both()
        assert floats.keys() == found.keys()
        for key, value in floats.items():
            assert np.array_equal(api.cast(found[key], value.dtype), value), key
        moved += not np.array_equal(found["image"], decoded(api)["image"])
    assert moved
    only_moved = all(step in transforms.MOVING for step, _ in options)
    assert found["image"].dtype == (api.uint8 if only_moved else api.float32)


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(0, 7),
    others=st.lists(st.integers(0, 3), max_size=2),
    wanted=st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=3, max_size=3),
    keep=st.booleans(),
    kind=st.sampled_from(["float32", "int64", "bool", "string"]),
    known=st.booleans(),
)
def test_lists_are_padded_and_cut_as_the_api_does(
    api: Any, count: int, others: list[int], wanted: list[int | None], keep: bool, kind: str, known: bool
) -> None:
    from object_detection.utils import shape_utils

    from odtool.engine.input import transforms

    sizes = [count, *others]
    target = [wanted[0], *(others if keep else wanted[1 : len(sizes)])]
    spec = api.TensorSpec([count if known else None, *others], kind)

    @api.function(autograph=False, input_signature=[spec])
    def both(tensor: Any) -> Any:
        return shape_utils.pad_or_clip_nd(tensor, target), transforms.pad_or_clip(tensor, target)

    numbers = np.arange(np.prod(sizes)).reshape(sizes)
    theirs, ours = both(api.as_string(numbers) if kind == "string" else api.cast(numbers, kind))
    assert np.array_equal(theirs, ours)
    shapes = [output.shape for output in both.get_concrete_function().outputs]
    assert shapes[1].as_list() == [
        want if want is not None else got for want, got in zip(shapes[0], shapes[1], strict=True)
    ]


def test_scalars_are_left_alone(api: Any) -> None:
    from odtool.engine.input import transforms

    assert int(transforms.pad_or_clip(api.constant(7), [])) == 7


@pytest.mark.parametrize("batch", [1, 2])
def test_a_batch_of_one_is_mapped_as_any_other(api: Any, batch: int) -> None:
    from object_detection.utils import shape_utils

    from odtool.engine.input import transforms

    images = api.reshape(api.range(batch * 12.0), [batch, 2, 2, 3])
    for function in (lambda image: image + 1, lambda image: [image[:1], api.shape(image)]):
        theirs = shape_utils.static_or_dynamic_map_fn(function, images)
        ours = transforms.map_images(function, images)
        for one, other in zip(api.nest.flatten(theirs), api.nest.flatten(ours), strict=True):
            assert np.array_equal(one, other)


def test_the_api_has_its_own_functions_back_afterwards(api: Any) -> None:
    from object_detection import inputs
    from object_detection.utils import shape_utils

    from odtool.engine.input import transforms

    before = inputs.augment_input_data, shape_utils.pad_or_clip_nd, shape_utils.static_or_dynamic_map_fn
    with transforms.replacing_transforms():
        assert inputs.augment_input_data is transforms.augment
    assert (inputs.augment_input_data, shape_utils.pad_or_clip_nd, shape_utils.static_or_dynamic_map_fn) == before
