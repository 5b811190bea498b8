"""Mask R-CNN with the real engine, from polygons in COCO JSON to metrics, a report and an export with masks."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

SIDE = 64
"""Width and height of an image, in pixels."""
_MODEL = "model.faster_rcnn"
_PREDICTOR = f"{_MODEL}.second_stage_box_predictor.mask_rcnn_box_predictor"
_NMS = f"{_MODEL}.second_stage_post_processing.batch_non_max_suppression"
SMALL = {
    f"{_MODEL}.image_resizer.fixed_shape_resizer.height": SIDE,
    f"{_MODEL}.image_resizer.fixed_shape_resizer.width": SIDE,
    f"{_MODEL}.feature_extractor.type": "faster_rcnn_resnet50_keras",
    f"{_MODEL}.feature_extractor.first_stage_features_stride": 16,
    f"{_MODEL}.initial_crop_size": 4,
    f"{_MODEL}.first_stage_max_proposals": 32,
    f"{_MODEL}.second_stage_batch_size": 32,
    f"{_NMS}.max_detections_per_class": 4,
    f"{_NMS}.max_total_detections": 4,
    # From random weights the backbone gives features of any size. What is made of them stays small, so that the boxes
    # are the anchors and there are some in each image.
    f"{_MODEL}.first_stage_box_predictor_conv_hyperparams.initializer.truncated_normal_initializer.stddev": 1e-12,
    f"{_PREDICTOR}.fc_hyperparams.initializer.variance_scaling_initializer.factor": 1e-24,
    "train_config.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate.learning_rate_base": 1e-12,
}
"""The zoo's Mask R-CNN with the smallest of its backbones, on small images."""


def drawn(folder: Path) -> Iterator[dict[str, Any]]:
    """Draws diamonds and gives them as COCO has them."""
    for number in range(8):
        chance = random.Random(number)
        reach = chance.randint(24, 30)
        x, y = (chance.randint(reach, SIDE - reach - 1) for _ in range(2))
        corners = [(x - reach, y), (x, y - reach), (x + reach, y), (x, y + reach)]
        image = Image.new("RGB", (SIDE, SIDE), "grey")
        ImageDraw.Draw(image).polygon(corners, fill="red")
        image.save(folder / f"{number}.jpg")
        yield {
            "id": number,
            "image_id": number,
            "category_id": 1,
            "bbox": [x - reach, y - reach, 2 * reach, 2 * reach],
            "segmentation": [[value for corner in corners for value in corner]],
            "area": 2 * reach * reach,
        }


LOOK = """
import json, sys, odtool
detector = odtool.load_detector(sys.argv[1])
(found,) = detector.detect([sys.argv[2]])
shapes = {mask.parts[0].grid.shape for mask in found.masks}
print(json.dumps([len(found), len(found.masks), sorted(shapes)]))
"""


@pytest.fixture(scope="module")
def trained(odtool: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a run that was trained for two steps and evaluated."""
    folder = tmp_path_factory.mktemp("masks")
    (folder / "drawings").mkdir()
    found = list(drawn(folder / "drawings"))
    images = [{"id": each["id"], "file_name": f"{each['id']}.jpg", "width": SIDE, "height": SIDE} for each in found]
    document = {"images": images, "annotations": found, "categories": [{"id": 1, "name": "diamond"}]}
    (folder / "drawings" / "all.json").write_text(json.dumps(document))
    settings = [word for path, value in SMALL.items() for word in ("--set", f"{path}={value}")]
    model = ("--model", "mask_rcnn_inception_resnet_v2_1024x1024", "--run", "masks", *settings)
    for command in (
        ("prepare", "drawings", "--masks", "--val", "0.25"),
        ("configure", *model, "--steps", 2, "--batch-size", 1),
        ("train", "--gpu", "cpu", "--foreground"),
        ("eval", "--gpu", "cpu", "--foreground", "--checkpoint", "latest"),
    ):
        done = odtool(*command, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "train" / "masks" / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.slow
def test_masks_are_prepared_learnt_and_scored(trained: Path) -> None:
    entries = read_metrics(trained)
    losses = [entry["values"] for entry in entries if entry["kind"] == "train"]
    assert max(each["Loss/BoxClassifierLoss/mask_loss"] for each in losses) > 0
    metrics = next(entry["values"] for entry in entries if entry["kind"] == "eval")
    for kind in ("Boxes", "Masks"):
        assert 0 <= metrics[f"Detection{kind}_Precision/mAP"] <= 1


@pytest.mark.slow
def test_the_report_scores_masks_as_evaluation_does(odtool: Callable[..., Any], trained: Path) -> None:
    done = odtool("report", "masks", "--json", cwd=trained)
    assert done.returncode == 0, done.stderr
    analysis = json.loads(done.stdout)["runs"][0]["analysis"]
    metrics = next(entry["values"] for entry in read_metrics(trained) if entry["kind"] == "eval")
    for name, full in (("ap", "mAP"), ("ap_50", "mAP@.50IOU"), ("ap_75", "mAP@.75IOU")):
        for kind, figures in (("Boxes", "figures"), ("Masks", "mask_figures")):
            assert analysis[figures][name] == pytest.approx(metrics[f"Detection{kind}_Precision/{full}"], abs=1e-6)


@pytest.mark.slow
def test_an_export_finds_masks_as_the_run_does(odtool: Callable[..., Any], trained: Path) -> None:
    wishes = ("--format", "savedmodel", "--verify-images", 1, "--min-agreement", 0)
    done = odtool("export", "masks", *wishes, cwd=trained)
    assert done.returncode == 0, done.stderr
    for model in ("train/masks", "exported-models/masks"):
        command = [sys.executable, "-c", LOOK, model, "drawings/0.jpg"]
        found = subprocess.run(command, cwd=trained, capture_output=True, text=True, check=True)
        boxes, masks, shapes = json.loads(found.stdout.splitlines()[-1])
        assert boxes == masks > 0
        assert shapes == [[33, 33]]
