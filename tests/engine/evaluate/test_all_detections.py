"""All detections of a checkpoint in the evaluation records: their figures are those of the evaluation."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from odtool import metrics
from odtool.detection.accuracy import compute_coco_metrics
from odtool.detection.detector import Detections
from odtool.engine.outcome import StopSignal
from odtool.pipeline.text import config
from odtool.reporting import detections_file
from odtool.workspace import Run

pytestmark = pytest.mark.slow
Engine = Callable[..., "subprocess.CompletedProcess[str]"]
PRECISION, RECALL = "DetectionBoxes_Precision", "DetectionBoxes_Recall"
NAMES = (
    *(f"{PRECISION}/mAP{which}" for which in ("", "@.50IOU", "@.75IOU", " (small)", " (medium)", " (large)")),
    *(f"{RECALL}/AR@{which}" for which in ("1", "10", "100", "100 (small)", "100 (medium)", "100 (large)")),
)


@pytest.fixture
def taught(api: Any, trained: Run) -> Run:
    """A run whose evaluation records call true what its newest checkpoint finds, some of it shifted, some a crowd."""
    from odtool.engine.evaluate.all_detections import write_detections

    first = trained.path / "first.jsonl"
    write_detections(trained, trained.checkpoint(4), first, {"checkpoint": "ckpt-4"})
    found = {image.source_id: image.detections for image in detections_file.read(first).images}
    made = config.load(trained.pipeline_config)
    (reader,) = made.message.eval_input_reader
    (source,) = reader.tf_record_input_reader.input_path
    records = trained.path / "val.tfrecord"
    with api.io.TFRecordWriter(str(records)) as writer:
        for index, record in enumerate(api.data.TFRecordDataset(source)):
            example = api.train.Example.FromString(record.numpy())
            relabel(example, found[example.features.feature["image/source_id"].bytes_list.value[0].decode()], index)
            writer.write(example.SerializeToString())
    reader.tf_record_input_reader.input_path[:] = [str(records)]
    made.message.eval_config.include_metrics_per_category = True
    config.save(made, trained.pipeline_config)
    return trained


def relabel(example: Any, found: Detections, shift: int) -> None:
    """Makes every third detection of an image its truth, from another one on for each image."""
    values = example.features.feature
    chosen = range(shift % 3, len(found), 3)
    boxes = np.clip((found.boxes[chosen] + shift) / 120, 0, 1)
    for side, name in enumerate(("xmin", "ymin", "xmax", "ymax")):
        values[f"image/object/bbox/{name}"].float_list.value[:] = boxes[:, side].tolist()
    # So short a training may find one class only; then the other is missed.
    numbers = [1 + index % 5 // 4 for index in range(len(chosen))]
    values["image/object/class/label"].int64_list.value[:] = numbers
    values["image/object/class/text"].bytes_list.value[:] = [(b"disc", b"square")[number - 1] for number in numbers]
    values["image/object/is_crowd"].int64_list.value[:] = [int(index % 4 == 3) for index in range(len(numbers))]


def test_the_figures_of_the_detections_are_those_of_the_evaluation(taught: Run) -> None:
    from odtool.engine.evaluate import evaluation
    from odtool.engine.evaluate.all_detections import write_detections

    output = taught.path / "out" / "detections.jsonl"
    said = write_detections(taught, taught.checkpoint(4), output, {"checkpoint": "ckpt-4"})
    assert said["images"] == 6
    assert [path.name for path in output.parent.iterdir()] == [output.name]
    found = detections_file.read(output)
    assert (found.checkpoint, found.step, found.labels, found.sets) == ("ckpt-4", 4, {1: "disc", 2: "square"}, 1)
    assert {image.source_id for image in found.images} == {f"val-{index}" for index in range(6)}
    assert {(image.detections.width, image.detections.height) for image in found.images} == {(120, 120)}
    assert any(image.truth.crowds.any() for image in found.images)

    evaluation.evaluate(taught, which="latest", sample=1, stop=StopSignal())
    ours = compute_coco_metrics(
        [image.truth for image in found.images], [image.detections for image in found.images], found.labels
    )
    (theirs,) = [entry.values for entry in metrics.read(taught.metrics) if entry.kind == "eval"]
    assert 0.01 < theirs[NAMES[0]] < 0.95
    for name, value in zip(NAMES, astuple(ours.figures), strict=True):
        assert value == pytest.approx(theirs[name], abs=1e-6), name
    for number, label in found.labels.items():
        by_class = theirs[f"DetectionBoxes_PerformanceByCategory/mAP/{label}"]
        assert ours.by_class[number].figures.ap == pytest.approx(by_class, abs=1e-6)


def test_without_evaluation_records_it_says_what_is_missing(engine: Engine, trained: Run, tmp_path: Path) -> None:
    made = config.load(trained.pipeline_config)
    made.message.ClearField("eval_input_reader")
    config.save(made, trained.pipeline_config)
    output = tmp_path / "detections.jsonl"
    done = engine("detections", trained.path, "--checkpoint", trained.checkpoint(4), "--output", output)
    assert done.returncode == 1
    assert "names no evaluation set" in json.loads(done.stdout)["failed"]
    assert not list(tmp_path.glob("*detections*"))
