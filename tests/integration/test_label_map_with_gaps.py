"""The whole way on a label map whose ids have gaps, with the real engine: each class keeps its id and its name."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from odtool import metrics
from odtool.dataset import synthetic
from odtool.detection.metric_names import MAP_OF_CLASS

NAMES = {1: "square", 2: "disc", 4: "star"}
"""No image has a square; no class has the id 3."""
LABEL_FILE = "square\ndisc\n???\nstar\n"


@pytest.fixture(scope="module")
def workspace(odtool: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawings of discs and stars, and a run trained, evaluated and exported on them, one command after the other."""
    folder = tmp_path_factory.mktemp("gaps")
    synthetic.draw(folder / "drawings", images=24)
    items = [f"item {{ id: {number} name: '{name}' }}\n" for number, name in NAMES.items()]
    (folder / "map.pbtxt").write_text("".join(items))
    for command in (
        ("prepare", "drawings", "--val", "0.25", "--label-map", "map.pbtxt"),
        ("configure", "--model", "demo_ssd", "--run", "gaps", "--steps", 250, "--batch-size", 8),
        ("check", "gaps"),
        ("train", "--gpu", "cpu", "--foreground"),
        ("eval", "--gpu", "cpu", "--foreground", "--checkpoint", "latest"),
        ("export", "--format", "savedmodel,tflite", "--out", "exported"),
        ("report",),
    ):
        done = odtool(*command, cwd=folder)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    return folder


@pytest.mark.slow
def test_metrics_are_those_of_the_named_classes(workspace: Path, status: Callable[[Path], dict[str, Any]]) -> None:
    assert "num_classes: 4" in (workspace / "train" / "gaps" / "pipeline.config").read_text()
    (figures,) = [
        entry.values for entry in metrics.read(workspace / "train" / "gaps" / "metrics.jsonl") if entry.kind == "eval"
    ]
    scores = {
        name.removeprefix(MAP_OF_CLASS): score for name, score in figures.items() if name.startswith(MAP_OF_CLASS)
    }
    assert set(scores) == set(NAMES.values())
    assert scores["square"] is None
    # A class that is scored under another one's name finds nothing; how well each is learnt differs from run to run.
    assert min(scores["disc"], scores["star"]) > 0.02
    assert status(workspace)["eval"]["metrics"]["DetectionBoxes_Precision/mAP"] > 0.02


@pytest.mark.slow
def test_an_export_names_each_class_at_its_id(workspace: Path) -> None:
    folder = workspace / "exported"
    assert (folder / "labels.txt").read_text() == LABEL_FILE
    record = json.loads((folder / "export.json").read_text())
    assert record["labels"] == {str(number): name for number, name in NAMES.items()}
    assert all(entry["mAP"] > 0.02 for entry in record["files"])
    with zipfile.ZipFile(next(folder.glob("*.tflite"))) as archive:
        assert archive.read("labels.txt").decode() == LABEL_FILE


@pytest.mark.slow
@pytest.mark.parametrize("model", ["gaps", "exported", "exported/model_float32.tflite"])
def test_predictions_have_the_names_of_what_is_drawn(odtool: Callable[..., Any], workspace: Path, model: str) -> None:
    options = ("--model", model, "--out", "found", "--no-pictures", "--save-as", "coco", "--min-score", 0.3)
    done = odtool("predict", "drawings/images", *options, cwd=workspace)
    assert done.returncode == 0, done.stderr
    document = json.loads((workspace / "found" / "coco" / "annotations.json").read_text())
    assert {item["id"]: item["name"] for item in document["categories"]} == NAMES
    lines = [json.loads(line) for line in (workspace / "found" / "detections.jsonl").read_text().splitlines()]
    pairs = Counter(pair for line in lines for pair in pair_labels(line, workspace / "drawings" / "annotations"))
    assert sum(pairs.values()) >= 10
    assert pairs["disc", "disc"] + pairs["star", "star"] > 0.6 * sum(pairs.values())
    assert min(pairs["disc", "disc"], pairs["star", "star"]) > 0


def pair_labels(line: dict[str, Any], annotations: Path) -> Iterator[tuple[str, str]]:
    """Drawn and detected class of each detection that lies on a drawn shape."""
    root = ElementTree.parse(annotations / Path(line["name"]).with_suffix(".xml")).getroot()
    for item in root.iter("object"):
        truth = [float(item.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax")]
        for detection in line["detections"]:
            if compute_iou(truth, detection["box"]) > 0.5:
                yield item.findtext("name", ""), detection["label"]


def compute_iou(first: Sequence[float], second: Sequence[float]) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return shared / (sum(areas) - shared)
