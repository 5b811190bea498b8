"""What a model says of itself is read as what anybody may have written into it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from odtool.detection.runtimes.model_description import ModelDescription
from odtool.errors import DataError

GOOD = ModelDescription("r", "ckpt-3", {1: "a", 2: "b"}, 320, None, "pad", (0.0, 1.0, 2.0), (1.0, 1.0, 1.0))


def test_it_is_read_back_as_it_was_written() -> None:
    assert ModelDescription.from_json(GOOD.to_json(), "model") == GOOD
    assert ModelDescription.from_json(GOOD.to_json().encode(), "model") == GOOD


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": {"one": "a"}},
        {"labels": {"1": 2}},
        {"labels": []},
        {"width": 10**400},
        {"width": 0},
        {"width": "320"},
        {"resize": "bend"},
        {"mean": [0, 1]},
        {"mean": ["0", "1", "2"]},
        {"deviation": [1e999, 1, 1]},
        {"run": None},
        {"strange": 1},
    ],
)
def test_wrong_values_are_damage(wrong: dict[str, Any]) -> None:
    text = json.dumps({**json.loads(GOOD.to_json()), **wrong})
    with pytest.raises(DataError, match="model: its description of the model is damaged"):
        ModelDescription.from_json(text, "model")


@pytest.mark.parametrize("text", ["", "[" * 100_000, "null", "[]", "{}", b"\xff"])
def test_what_is_no_object_is_damage(text: str | bytes) -> None:
    with pytest.raises(DataError, match="damaged"):
        ModelDescription.from_json(text, "model")
