"""Label Studio's packed brush strokes."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from odtool.dataset.images import masks
from odtool.dataset.readers.common.streams.json_document import JsonDocument
from odtool.dataset.readers.common.streams.overflow import Overflow
from odtool.dataset.readers.tools.label_studio import brush, label_studio
from odtool.dataset.types import Box

MASKS = st_numpy.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def packed(mask: Any, *, literal: bool = False) -> list[int]:
    """The RGBA bytes of a mask, as runs of one value or, if literal, value by value."""
    flat = np.repeat(mask.ravel().astype(np.uint8) * 255, 4)
    sizes = [3, 4, 8, 16]
    bits = f"{len(flat):032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in sizes)
    if literal:
        for start in range(0, len(flat), 256):
            part = flat[start : start + 256]
            bits += f"0{2:02b}{len(part) - 1:08b}" + "".join(f"{value:08b}" for value in part)
    else:
        changes = np.flatnonzero(np.diff(flat)) + 1
        for part in np.split(flat, changes):
            bits += f"1{3:02b}{len(part) - 1:016b}{part[0]:08b}"
    bits += "0" * (-len(bits) % 8)
    return [int(bits[place : place + 8], 2) for place in range(0, len(bits), 8)]


@given(MASKS, st.booleans())
def test_runs_of_both_kinds_give_the_mask(mask: Any, literal: bool) -> None:
    height, width = mask.shape
    assert np.array_equal(brush.decode_stroke(packed(mask, literal=literal), width, height), mask)


def test_a_stroke_is_an_object_with_box_and_mask() -> None:
    mask = np.zeros((10, 20), bool)
    mask[2:6, 5:15] = True
    value = {"format": "rle", "rle": packed(mask), "brushlabels": ["cat"]}
    result = {"type": "brushlabels", "value": value, "original_width": 20, "original_height": 10}
    text = json.dumps([{"id": 1, "data": {"image": "a.jpg"}, "annotations": [{"result": [result]}]}])
    (entry,) = label_studio.parse(JsonDocument.of_bytes(text.encode(), Path("a.json")), Overflow()).entries
    (item,) = entry.objects
    assert item.box == Box(0.25, 0.2, 0.75, 0.6)
    assert item.outline is not None
    assert masks.find_fault(item.outline, 20, 10) == ""
    assert np.array_equal(masks.draw(item.outline, item.box, (20, 10), (0, 0, 20, 10)), mask)


@pytest.mark.parametrize(
    ("rle", "size", "says"),
    [
        ("abc", (2, 2), "not a list of bytes"),
        ([0, 1], (2, 2), "cut short"),
        (packed(np.ones((2, 2), bool)), (3, 2), "another size"),
        (packed(np.ones((2, 2), bool))[:-2], (2, 2), "cut short"),
        ([0] * 99, (10**9, 10**9), "the image is too large"),
    ],
)
def test_what_is_no_stroke_of_the_image_is_refused(rle: Any, size: tuple[int, int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        brush.decode_stroke(rle, *size)


@given(st.integers(0, 40), st.integers(0, 255))
def test_mutated_strokes_are_masks_or_refused(at: int, put: int) -> None:
    rle = packed(np.eye(5, dtype=bool))
    rle[at % len(rle)] = put
    with suppress(ValueError):
        assert brush.decode_stroke(rle, 5, 5).shape == (5, 5)
