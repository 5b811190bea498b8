"""What a checkpoint gives a model: the real zoo model against its published checkpoint, and small ones restored."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.pipeline.zoo.parameters import PARAMETERS
from odtool.workspace import Run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("api")]
ZOO = "ssd_mobilenet_v2_fpnlite_320x320_coco17_tpu-8"
HEAD = "model/_box_predictor/_prediction_heads/class_predictions_with_background/_class_predictor_layers/0"


@pytest.fixture(scope="module")
def published(shared_data: Path) -> str:
    """A real checkpoint of which only the index is here."""
    return str(shared_data / "zoo_checkpoint" / ZOO / "checkpoint" / "ckpt-0")


def built(shared_data: Path, classes: int) -> Any:
    from odtool.engine import model

    configs = model.read_configs(shared_data / "zoo_configs" / f"{ZOO}.config")
    configs["model"].ssd.num_classes = classes
    detector = model.build_model(configs["model"])
    model.make_variables(detector, model.read_element_spec(configs, batch=8))
    return detector


def test_with_other_classes_only_the_class_head_of_a_zoo_model_is_new(shared_data: Path, published: str) -> None:
    from odtool.engine import restore_check

    detector = built(shared_data, classes=2)
    stored = restore_check.read_stored_shapes(published)
    assert len(stored) == 384  # 386 less the object graph and the counter of saves
    assert PARAMETERS[ZOO] == sum(math.prod(shape) for shape in stored.values())
    assert restore_check.list_shapes(detector).keys() == stored.keys()

    def compare(kind: str) -> restore_check.Comparison:
        return restore_check.compare(detector, detector.restore_from_objects(kind), stored, kind)

    full = compare("full")
    assert len(full.restored) == 382
    assert full.new == {
        f"{HEAD}/bias": "has shape [546] in the checkpoint",
        f"{HEAD}/pointwise_kernel": "has shape [1, 1, 128, 546] in the checkpoint",
    }
    detection = compare("detection")
    assert (len(detection.restored), len(detection.left)) == (290, 94)
    assert {name.split("/")[1] for name in detection.new} == {"_box_predictor"}
    assert compare("classification").restored == ()


@pytest.mark.parametrize(
    ("classes", "kind", "restored", "error"),
    [(2, "full", "all", None), (3, "detection", "features", None), (3, "full", "features and boxes", "incompatible")],
)
def test_what_is_counted_is_what_the_api_restores(
    trained: Run, new_run: Callable[..., Run], tmp_path: Path, classes: int, kind: str, restored: str, error: str | None
) -> None:
    from odtool.engine import restore_check

    folder = tmp_path / "runs [old]"
    folder.symlink_to(trained.path)

    def change(message: Any) -> None:
        message.model.ssd.num_classes = classes
        message.train_config.fine_tune_checkpoint = str(folder / "ckpt-4")
        message.train_config.fine_tune_checkpoint_type = kind
        message.train_config.fine_tune_checkpoint_version = 2

    report = restore_check.check_restore(new_run(change))
    assert report["variables"] == report["checkpoint_variables"] == report["restored"] + len(report["new"])
    new = {each["name"].split("/")[1] for each in report["new"]}
    assert new == (set() if restored == "all" else {"_box_predictor"})
    assert (len(report["new"]) == 2) == (restored == "features and boxes")
    assert (report["error"] or "None").find(error or "None") >= 0


@pytest.mark.parametrize("left", [0.0, 0.5])
def test_a_damaged_checkpoint_is_said_to_be_one(
    trained: Run, new_run: Callable[..., Run], tmp_path: Path, left: float
) -> None:
    from odtool.engine import restore_check

    prefix = trained.checkpoint(4)
    for path in prefix.parent.glob(f"{prefix.name}.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    data = tmp_path / f"{prefix.name}.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[: int(data.stat().st_size * left)])

    def change(message: Any) -> None:
        message.train_config.fine_tune_checkpoint = str(tmp_path / prefix.name)
        message.train_config.fine_tune_checkpoint_type = "detection"
        message.train_config.fine_tune_checkpoint_version = 2

    report = restore_check.check_restore(new_run(change))
    assert f"{prefix.name} is damaged: " in report["error"]
    assert report["hint"] == "Copy or download the checkpoint again."


def test_the_engine_answers_in_json(engine: Callable[..., Any], new_run: Callable[..., Run], tmp_path: Path) -> None:
    done = engine("check", new_run().path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["checkpoint"], answer["error"]) == (None, None)
    assert answer["parameters"] > answer["variables"] > 100

    def break_it(message: Any) -> None:
        message.model.ssd.feature_extractor.type = "no_such_network"

    done = engine("check", new_run(break_it).path)
    assert done.returncode == 1
    assert "no_such_network" in json.loads(done.stdout)["failed"]


def test_measuring_takes_steps_and_leaves_nothing(engine: Callable[..., Any], new_run: Callable[..., Run]) -> None:
    run = new_run()
    done = engine("measure", run.path, "--batch-size", 2)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["batch_size"], answer["out_of_memory"]) == (2, False)
    assert answer["peak_bytes"] > 300e6
    assert [path.name for path in run.path.iterdir()] == ["pipeline.config"]
