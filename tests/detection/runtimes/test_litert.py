from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from odtool.detection.runtimes import litert
from odtool.errors import DataError


class Outputs:
    """An interpreter of a model without a signature, as far as its outputs go."""

    def __init__(self, **tensors: list[int]) -> None:
        self.tensors = tensors

    def get_output_details(self) -> list[dict[str, Any]]:
        return [{"name": name, "shape": shape} for name, shape in self.tensors.items()]

    def get_signature_list(self) -> dict[str, Any]:
        return {}


def names(outputs: Outputs) -> list[str]:
    return [detail["name"] for detail in litert._find_outputs(outputs, Path("a.tflite"))]


def test_outputs_without_signature_are_told_by_the_names_that_converters_give() -> None:
    newer = [f"StatefulPartitionedCall:{number}" for number in (3, 2, 1, 0)]
    assert names(Outputs(**{name: [] for name in sorted(newer)})) == newer
    older = ["TFLite_Detection_PostProcess", *(f"TFLite_Detection_PostProcess:{number}" for number in (1, 2, 3))]
    assert names(Outputs(**{name: [] for name in reversed(older)})) == older


def test_outputs_of_other_names_are_taken_in_the_usual_order() -> None:
    assert names(Outputs(a=[1, 10, 4], b=[1, 10], c=[1, 10], d=[1])) == ["a", "b", "c", "d"]


def test_outputs_that_are_no_detections_are_refused() -> None:
    with pytest.raises(DataError, match=r"outputs \(\[1, 1000\]\) are not boxes"):
        names(Outputs(logits=[1, 1000]))
