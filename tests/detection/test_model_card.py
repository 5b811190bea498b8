"""The model card, from the record of an export."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset import prepare, synthetic
from odtool.dataset.types import Source
from odtool.detection import model_card


def file(label: str, name: str, kind: str, **taken: Any) -> dict[str, Any]:
    agreement = {"found": 0.995, "confirmed": 1.0, "min_score": 0.3}
    figures = {"bytes": 1_234_567, "mAP": 0.512, "mAP_change": -0.00001, "milliseconds": 3.25}
    return {"label": label, "file": name, "format": kind, "input": taken, "agreement": agreement, **figures}


@pytest.fixture
def record() -> dict[str, Any]:
    taken = {"width": 320, "height": 256, "resize": "pad", "mean": (1.0, 2.0, 3.0), "deviation": (4.0, 4.0, 4.0)}
    return {
        "run": "birds",
        "checkpoint": "ckpt-300",
        "step": 300,
        "created": "2026-11-21T12:00:00Z",
        "architecture": "ssd",
        "labels": {"1": "disc", "2": "a|b"},
        "input_type": "encoded_image_string_tensor",
        "metrics": {"mAP": 0.5123, "mAP50": 0.8},
        "verified_on": {"images": 50, "split": "evaluation", "mAP": 0.512},
        "machine": "a processor, 2 threads",
        "versions": {"odtool": "0.1.0", "tensorflow": "2.20.0"},
        "files": [
            file("SavedModel", "saved_model", "savedmodel", type="encoded_image_string_tensor"),
            file("TFLite float32", "model_float32.tflite", "tflite", dtype="float32", **taken),
            file("TFLite int8", "model_int8.tflite", "tflite", dtype="uint8", **taken),
            file("ONNX", "model.onnx", "onnx", type="image_tensor"),
        ],
    }


def test_metrics_come_with_their_checkpoint_and_files_with_their_verification(record: dict[str, Any]) -> None:
    text = model_card.render(record, None)
    for part in (
        "Of ckpt-300 at step 300",
        "| mAP@[.5:.95] | 0.512 |",
        "| model_int8.tflite | 1.23 MB | 99.5% | 100.0% | 0.512 | +0.000 | 3.2 |",
        "on 50 images of the evaluation records",
        "on a processor, 2 threads",
        "| 2 | a\\|b |",
        "odtool 0.1.0, tensorflow 2.20.0",
    ):
        assert part in text


def test_a_class_name_is_text_and_no_markup(record: dict[str, Any]) -> None:
    record["labels"]["3"] = "<script>&\nmore"
    assert "| 3 | &lt;script&gt;&amp; more |" in model_card.render(record, None)


def test_each_input_is_described_as_the_file_takes_it(record: dict[str, Any]) -> None:
    text = model_card.render(record, None)
    assert "Input: encoded_image_string_tensor" in text
    assert "padded with zeros on the right and below to 320x256" in text
    assert "as float32 `(pixels - [1, 2, 3]) / 4`" in text
    assert "uint8, not normalised" in text
    assert "Input: image_tensor" in text


def test_the_code_in_it_is_python_once_for_each_format(record: dict[str, Any]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", model_card.render(record, None), flags=re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        compile(block, "card", "exec")
    assert 'tf.constant([open("photo.jpg", "rb").read()])' in blocks[1]


def test_thresholds_are_told_where_they_were_found(record: dict[str, Any]) -> None:
    assert "## Thresholds" not in model_card.render(record, None)
    text = model_card.render({**record, "thresholds": {"a|b": 0.435, "star": 0.5}}, None)
    assert "| a\\|b | 0.435 |" in text
    assert "--min-score best" in text


def test_a_checkpoint_that_was_not_evaluated_has_no_metrics(record: dict[str, Any]) -> None:
    text = model_card.render({**record, "metrics": {}, "step": None}, None)
    assert "before it was evaluated" in text
    assert "exported from checkpoint ckpt-300." in text


def test_the_data_set_is_told_where_odtool_prepared_it(record: dict[str, Any], tmp_path: Path) -> None:
    drawings = synthetic.draw(tmp_path / "drawings", images=10)
    prepare.prepare(prepare.PrepareSettings(sources=(Source(drawings),), out=tmp_path / "data", val=0.2, workers=1))
    summary = model_card.find_summary(tmp_path / "data" / "label_map.pbtxt")
    assert summary is not None
    text = model_card.render(record, summary)
    assert "Images: train 8, val 2." in text
    assert f"| 1 | disc | {summary.splits['train'].classes['disc']} |" in text
    assert model_card.find_summary(tmp_path / "label_map.pbtxt") is None
