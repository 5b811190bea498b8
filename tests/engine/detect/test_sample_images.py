"""Detections of a trained model over the evaluation records, as the demo's picture needs them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from odtool.workspace import Run

pytestmark = pytest.mark.slow
Engine = Callable[..., "subprocess.CompletedProcess[str]"]


def test_images_come_with_true_and_detected_boxes_in_pixels(engine: Engine, trained: Run, tmp_path: Path) -> None:
    output = tmp_path / "out" / "found.json"
    done = engine("detect", trained.path, "--images", 3, "--output", output)
    assert done.returncode == 0, done.stderr
    found = json.loads(output.read_text())
    assert found["checkpoint"] == "ckpt-4"
    assert [image["source_id"] for image in found["images"]] == ["val-0", "val-1", "val-2"]
    for image in found["images"]:
        with Image.open(output.parent / image["file"]) as picture:
            assert picture.size == (image["width"], image["height"]) == (120, 120)
        (true,) = image["true"]
        assert true["label"] == {1: "disc", 2: "square"}[true["class_id"]]
        assert all(0 <= side <= 120 and side == round(side) for side in true["box"])
        for box in image["detected"]:
            assert box["label"] in ("disc", "square")
            assert 0 <= box["score"] <= 1


def test_a_run_without_a_checkpoint_is_an_error(engine: Engine, new_run: Callable[..., Run], tmp_path: Path) -> None:
    done = engine("detect", new_run().path, "--output", tmp_path / "found.json")
    assert done.returncode == 1
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer == {"failed": "run 'small' has no checkpoint", "hint": "Train it first: odtool train small"}
