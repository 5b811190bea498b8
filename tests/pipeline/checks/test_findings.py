"""What is found of a run's config, and what is said of its data, checkpoint and model."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.pipeline.checks import findings
from odtool.pipeline.configure import configuration
from odtool.pipeline.configure.configuration import Request
from odtool.workspace import Workspace


@pytest.fixture
def look(workspace: Workspace) -> Callable[..., dict[str, findings.Finding]]:
    """Findings by subject of a fresh run, whose config the function given may change."""

    def run(change: Callable[[Any], object] = lambda message: None, replicas: int = 1) -> dict[str, findings.Finding]:
        made = configuration.configure(workspace, Request(steps=100, dry_run=True)).config
        change(made.message)
        return {found.subject: found for found in findings.of_config(made, Path("my.config"), replicas=replicas)}

    return run


def test_a_fresh_run_is_well(look: Callable[..., dict[str, findings.Finding]]) -> None:
    found = look()
    assert {finding.level for finding in found.values()} == {"ok"}
    assert found["settings"].message == "ssd, 100 steps"
    assert found["train records"].message.startswith("2 files, such as /")
    assert look(replicas=4)["batch"].message == "8 images a step, 2 on each of 4 GPUs"


def set_eval_map(message: Any) -> None:
    path = Path(message.eval_input_reader[0].label_map_path).with_name("other.pbtxt")
    path.write_text("item { id: 1 name: 'dog' } item { id: 2 name: 'cat' }")
    message.eval_input_reader[0].label_map_path = str(path)


def empty_the_records(message: Any) -> None:
    for path in Path(message.train_input_reader.label_map_path).parent.glob("train-*"):
        path.write_bytes(b"")


def cut_the_records(message: Any) -> None:
    for path in Path(message.train_input_reader.label_map_path).parent.glob("train-00001*"):
        os.truncate(path, path.stat().st_size - 1)


def lose_some_records(message: Any) -> None:
    for path in Path(message.train_input_reader.label_map_path).parent.glob("val-00001*"):
        path.unlink()


@pytest.mark.parametrize(
    ("change", "subject", "message"),
    [
        (lambda m: setattr(m.train_config, "num_steps", 0), "settings", "num_steps is 0"),
        (lambda m: setattr(m.model.ssd, "num_classes", 5), "classes", "the model has 5 classes"),
        (set_eval_map, "classes", "numbers the classes otherwise"),
        (empty_the_records, "train records", "the files are empty"),
        (cut_the_records, "train records", "40,000 bytes of train were written (shards: 2), and 39,999 are there"),
        (lose_some_records, "eval records", "and 5,000 are there (shards: 1)"),
        (lambda m: setattr(m.train_input_reader, "label_map_path", "gone"), "classes", "there is no label map"),
        (lambda m: setattr(m.train_config, "fine_tune_checkpoint", "/gone/ckpt-0"), "checkpoint files", "/gone/ckpt-0"),
        (lambda m: m.ClearField("eval_input_reader"), "eval records", "no eval_input_reader"),
    ],
)
def test_each_thing_is_looked_at_whatever_the_others_say(
    look: Callable[..., dict[str, findings.Finding]], change: Callable[[Any], object], subject: str, message: str
) -> None:
    found = look(change)
    assert found[subject].level == "error"
    assert message in found[subject].message
    assert found["batch"].level == "ok"


def test_a_batch_must_be_shared_evenly(look: Callable[..., dict[str, findings.Finding]]) -> None:
    assert "8 cannot be shared by 3 GPUs" in look(replicas=3)["batch"].message


def test_classes_absent_from_the_evaluation_set_are_named() -> None:
    known = ["cat", "dog", "emu"]
    assert findings.of_evaluation_classes(known, known, complete=False).level == "ok"
    some = findings.of_evaluation_classes(known, ["dog"], complete=True)
    assert some.level == "warning"
    assert "2 of 3 are not in the evaluation set: cat, emu" in some.message
    assert "--all" in findings.of_evaluation_classes(known, ["dog"], complete=False).message
    assert findings.of_evaluation_classes(known, [], complete=True).level == "error"


def test_limits_below_the_most_crowded_image_are_named(workspace: Workspace) -> None:
    made = configuration.configure(workspace, Request(dry_run=True)).config
    assert findings.of_crowding(made, 100).level == "ok"
    made.message.train_input_reader.max_number_of_boxes = 200
    crowded = findings.of_crowding(made, 150)
    assert crowded.level == "warning"
    assert "train_config.max_number_of_boxes is 100, eval_input_reader[0]" in crowded.message


REPORT = {
    "variables": 384,
    "parameters": 1000,
    "checkpoint": "c/ckpt-0",
    "error": None,
    "checkpoint_type": "detection",
    "checkpoint_variables": 384,
    "restored": 382,
    "restored_parameters": 950,
    "new": [{"name": f"model/_head/{name}", "shape": [3], "reason": ""} for name in ("bias", "kernel")],
    "left": ["model/_head/bias", "model/_head/kernel"],
}


def test_what_is_restored_is_counted_and_the_new_is_named() -> None:
    finding = findings.of_restoring(REPORT, None)
    assert finding.level == "ok"
    assert finding.message == (
        "384 variables, 1,000 parameters; 382 restored by name and shape (95% of the parameters, type detection), "
        "2 new: model/_head/bias [3], model/_head/kernel [3]; 2 of the checkpoint's 384 are left"
    )
    many = {**REPORT, "new": [{"name": f"model/_head/{number}", "shape": [], "reason": ""} for number in range(9)]}
    assert "9 new: model/_head;" in findings.of_restoring(many, None).message


@pytest.mark.parametrize(
    ("change", "resumed", "level", "message"),
    [
        ({"error": "Received incompatible tensor"}, None, "error", "Received incompatible tensor (384 variables"),
        ({"restored": 0}, None, "error", "gives the model nothing"),
        ({"checkpoint": None}, None, "ok", "all new"),
        ({}, 500, "ok", "goes on from the run's own ckpt-500"),
    ],
)
def test_what_the_engine_says_of_the_checkpoint(
    change: dict[str, Any], resumed: int | None, level: str, message: str
) -> None:
    finding = findings.of_restoring({**REPORT, **change}, resumed)
    assert finding.level == level
    assert message in finding.message


def test_what_to_do_with_a_checkpoint_that_is_not_restored_is_the_engines_word() -> None:
    assert (
        findings.of_restoring({**REPORT, "error": "damaged", "hint": "Copy it again."}, None).hint == "Copy it again."
    )
    assert "same architecture" in findings.of_restoring({**REPORT, "error": "other"}, None).hint
