"""Detectors loaded from whatever they were saved as."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import odtool
from odtool.detection.runtimes.model_description import ModelDescription
from odtool.errors import DataError, JobError
from odtool.workspace import Run

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def saved_model(api: Any, tmp_path: Path) -> Callable[[str], Path]:
    """A SavedModel with the API's outputs: a box over the upper half, of class 1 if the first channel is bright."""

    def decode(encoded: Any) -> Any:
        return api.map_fn(lambda data: api.io.decode_png(data, channels=3), encoded, fn_output_signature=api.uint8)

    def parse(examples: Any) -> Any:
        wanted = {"image/encoded": api.io.FixedLenFeature([], api.string)}
        return decode(api.io.parse_example(examples, wanted)["image/encoded"])

    def outputs(pixels: Any) -> dict[str, Any]:
        bright = api.cast(pixels[:, 0, 0, 0] > 127, api.float32)
        batch = api.shape(pixels)[0]
        return {
            "detection_boxes": api.tile([[[0.0, 0.0, 0.5, 1.0], [0.0, 0.0, 0.0, 0.0]]], [batch, 1, 1]),
            "detection_classes": api.tile((2 - bright)[:, api.newaxis], [1, 2]),
            "detection_scores": api.tile([[0.75, 0.0]], [batch, 1]),
            "num_detections": api.tile([2.0], [batch]),
        }

    inputs: dict[str, Any] = {
        "image_tensor": ([None, None, None, 3], api.uint8, "input_tensor", lambda value: value),
        "float_image_tensor": ([1, None, None, 3], api.float32, "input_tensor", lambda value: value),
        "encoded_image_string_tensor": ([None], api.string, "input_tensor", decode),
        "tf_example": ([None], api.string, "input_tensor", parse),
    }

    def make(input_type: str) -> Path:
        shape, kind, name, prepare = inputs[input_type]
        module = api.Module()
        spec = api.TensorSpec(shape, kind, name=name)
        module.run = api.function(lambda value: outputs(prepare(value)), input_signature=[spec])
        api.saved_model.save(module, str(tmp_path / "saved_model"), {"serving_default": module.run})
        extra = tmp_path / "saved_model" / "assets.extra"
        extra.mkdir()
        labels = {1: "red", 2: "other"}
        made = ModelDescription("small", "ckpt-4", labels, None, None, "none", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        (extra / "odtool.json").write_text(made.to_json())
        return tmp_path / "saved_model"

    return make


@pytest.mark.parametrize(
    "input_type", ["image_tensor", "float_image_tensor", "encoded_image_string_tensor", "tf_example"]
)
def test_a_saved_model_of_any_input_type_sees_rgb(saved_model: Callable[[str], Path], input_type: str) -> None:
    detector = odtool.load_detector(saved_model(input_type))
    assert detector.labels == {1: "red", 2: "other"}
    pictures = [np.full((40, 60, 3), colour, np.uint8) for colour in (RED, BLUE, RED)]
    pictures.append(np.full((20, 10, 3), BLUE, np.uint8))
    found = detector.detect(pictures, min_score=0.5)
    assert [each.classes.tolist() for each in found] == [[1], [2], [1], [2]]
    assert [each.boxes.tolist() for each in found] == [[[0, 0, 60, 20]]] * 3 + [[[0, 0, 10, 10]]]
    # A program that gives BGR, as OpenCV reads, is seen to give it.
    assert detector.detect([pictures[0][:, :, ::-1].copy()], min_score=0.5)[0].classes.tolist() == [2]


def test_a_model_without_labels_takes_those_of_a_label_map(saved_model: Callable[[str], Path], data: Path) -> None:
    folder = saved_model("image_tensor")
    (folder / "assets.extra" / "odtool.json").unlink()
    with pytest.raises(DataError, match="does not name its classes") as raised:
        odtool.load_detector(folder)
    assert "--label-map" in raised.value.hint
    detector = odtool.load_detector(folder, label_map=data / "label_map.pbtxt")
    assert detector.labels == {1: "disc", 2: "square"}


def test_a_damaged_description_is_named(saved_model: Callable[[str], Path]) -> None:
    folder = saved_model("image_tensor")
    (folder / "assets.extra" / "odtool.json").write_text(json.dumps({"labels": 5}))
    with pytest.raises(DataError, match=r"odtool\.json.*damaged"):
        odtool.load_detector(folder)


def test_a_run_finds_the_same_alone_and_in_a_batch(trained: Run, tmp_path: Path) -> None:
    detector = odtool.load_detector(trained.path)
    assert detector.labels == {1: "disc", 2: "square"}
    chance = np.random.default_rng(0)
    pictures = [chance.integers(0, 256, size, np.uint8) for size in ((120, 120, 3), (90, 60, 3), (120, 120, 3))]
    Image.fromarray(pictures[1]).save(tmp_path / "second.png")
    together = detector.detect([pictures[0], tmp_path / "second.png", pictures[2]])
    for picture, among in zip(pictures, together, strict=True):
        (alone,) = detector.detect([picture])
        assert (among.height, among.width) == picture.shape[:2]
        # Further down, float noise may decide which of two boxes suppresses the other.
        best = slice(min(3, len(alone)))
        assert len(alone)
        np.testing.assert_allclose(among.scores[best], alone.scores[best], atol=1e-4)
        assert np.all(np.diff(among.scores) <= 0)


def test_what_is_no_model_is_said_to_be_none(trained: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a run, an exported model"):
        odtool.load_detector(tmp_path / "absent")
    for path in trained.path.glob("ckpt-*"):
        path.unlink()
    with pytest.raises(JobError, match="has no checkpoint"):
        odtool.load_detector(trained.path)
    for name in ("a.tflite", "a.onnx"):
        (tmp_path / name).write_bytes(b"no model")
        with pytest.raises(DataError, match=f"{name} is not "):
            odtool.load_detector(tmp_path / name)
