"""What the checks find of a run's config, its data, its checkpoint and its model."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.errors import ConfigError
from odtool.pipeline.checks.annotations import check_crowding
from odtool.pipeline.checks.check_list import check_run, list_findings, refuse_errors
from odtool.pipeline.checks.classes import check_evaluation_classes
from odtool.pipeline.checks.finding import Finding
from odtool.pipeline.checks.restored_weights import check_restored_weights
from odtool.pipeline.checks.training_length import refuse_batch_size
from odtool.pipeline.configure import configuration
from odtool.pipeline.configure.configuration import ConfigureSettings
from odtool.pipeline.text.facts import derive_facts
from odtool.workspace import Workspace

Findings = Callable[..., dict[str, Finding]]


@pytest.fixture
def check(workspace: Workspace) -> Findings:
    """Findings by subject of a fresh run, whose config the function given may change."""

    def run(change: Callable[[Any], object] = lambda message: None, devices: int = 1) -> dict[str, Finding]:
        made = configuration.configure(workspace, ConfigureSettings(steps=100, dry_run=True)).config
        change(made.message)
        facts = derive_facts(made, Path("my.config"), devices=devices)
        return {finding.subject: finding for finding in list_findings(facts)}

    return run


def test_a_fresh_run_is_well(check: Findings) -> None:
    findings = check()
    assert {finding.level for finding in findings.values()} == {"ok"}
    assert findings["settings"].message == "ssd, 100 steps"
    assert findings["train records"].message.startswith("2 files, such as /")
    assert check(devices=4)["batch"].message == "8 images a step, 2 on each of 4 devices"


def run_checks(workspace: Workspace, num_classes: int | None = None) -> tuple[list[str], Finding]:
    """configure's notes, and what the checks say of the classes of a fresh run."""
    configured = configuration.configure(workspace, ConfigureSettings(steps=100, dry_run=True))
    if num_classes is not None:
        configured.config.message.model.ssd.num_classes = num_classes
    findings = {finding.subject: finding for finding in list_findings(derive_facts(configured.config))}
    return [note for note in configured.notes if "num_classes" in note], findings["classes"]


def test_a_label_map_with_gaps_has_as_many_classes_as_its_largest_id(prepare: Callable[..., Workspace]) -> None:
    workspace = prepare(classes={"cat": 1, "dog": 2, "fox": 4})
    notes, finding = run_checks(workspace)
    assert finding.level == "ok"
    assert finding.message == f"4 in the model and in {workspace.data.label_map}, in which no class has the ids 3"
    assert [note.partition(" has ")[2] for note in notes] == [
        "3 classes with ids up to 4, so num_classes is 4; no class has the ids 3"
    ]
    assert run_checks(prepare())[0] == []


def test_a_model_may_have_more_classes_than_a_label_map_with_gaps_and_never_fewer(
    prepare: Callable[..., Workspace],
) -> None:
    workspace = prepare(classes={"person": 1, "dog": 18})
    _, more = run_checks(workspace, 90)
    _, fewer = run_checks(workspace, 2)
    assert (more.level, more.hint) == ("warning", "The model learns nothing for ids from 19.")
    assert fewer.level == "error"
    assert f"the model has 2 classes, but {workspace.data.label_map} has ids up to 18" in fewer.message


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
        (set_eval_map, "classes", "numbers the classes differently"),
        (empty_the_records, "train records", "the files are empty"),
        (cut_the_records, "train records", "40,000 bytes of train were written (shards: 2), and 39,999 are there"),
        (lose_some_records, "eval records", "and 5,000 are there (shards: 1)"),
        (lambda m: setattr(m.train_input_reader, "label_map_path", "gone"), "classes", "no label map to compare"),
        (lambda m: setattr(m.train_config, "fine_tune_checkpoint", "/gone/ckpt-0"), "checkpoint files", "/gone/ckpt-0"),
        (lambda m: m.ClearField("eval_input_reader"), "eval records", "no eval_input_reader"),
    ],
)
def test_each_subject_is_checked_whatever_the_others_say(
    check: Findings, change: Callable[[Any], object], subject: str, message: str
) -> None:
    findings = check(change)
    assert findings[subject].level == "error"
    assert findings[subject].message.startswith("my.config: ")
    assert message in findings[subject].message
    assert findings["batch"].level == "ok"


def test_a_batch_must_be_shared_evenly(check: Findings) -> None:
    assert "8 cannot be split evenly across 3 devices" in check(devices=3)["batch"].message
    with pytest.raises(ConfigError, match="batch_size is 0"):
        refuse_batch_size(0, 1)
    refuse_batch_size(8, 4)


def test_training_is_refused_at_the_first_error_and_told_the_warnings(workspace: Workspace) -> None:
    configured = configuration.configure(workspace, ConfigureSettings(steps=100))
    path = configured.run.pipeline_config
    assert check_run(path, devices=4).num_steps == 100
    with pytest.raises(ConfigError, match=rf"{re.escape(str(path))}: .*cannot be split evenly across 3 devices"):
        check_run(path, devices=3)
    message = configured.config.message
    message.train_config.freeze_variables.append(".*")
    (warning,) = refuse_errors(derive_facts(configured.config))
    assert (warning.level, warning.message) == (
        "warning",
        "train_config.freeze_variables has no effect: the API reads it on TensorFlow 1 only",
    )


def test_classes_absent_from_the_evaluation_set_are_named() -> None:
    known = ["cat", "dog", "emu"]
    assert check_evaluation_classes(known, known, complete=False).level == "ok"
    some = check_evaluation_classes(known, ["dog"], complete=True)
    assert some.level == "warning"
    assert "2 of 3 are not in the evaluation set: cat, emu" in some.message
    assert "--all" in check_evaluation_classes(known, ["dog"], complete=False).message
    assert check_evaluation_classes(known, [], complete=True).level == "error"


def test_limits_below_the_most_crowded_image_are_named(workspace: Workspace) -> None:
    made = configuration.configure(workspace, ConfigureSettings(dry_run=True)).config
    assert check_crowding(derive_facts(made), 100).level == "ok"
    made.message.train_input_reader.max_number_of_boxes = 200
    crowded = check_crowding(derive_facts(made), 150)
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
    finding = check_restored_weights(REPORT, None)
    assert finding.level == "ok"
    assert finding.message == (
        "384 variables, 1,000 parameters; 382 restored by name and shape (95% of the parameters, type detection), "
        "2 new: model/_head/bias [3], model/_head/kernel [3]; 2 of the checkpoint's 384 are not used"
    )
    many = {**REPORT, "new": [{"name": f"model/_head/{number}", "shape": [], "reason": ""} for number in range(9)]}
    assert "9 new: model/_head;" in check_restored_weights(many, None).message


@pytest.mark.parametrize(
    ("change", "resumed", "level", "message"),
    [
        ({"error": "Received incompatible tensor"}, None, "error", "Received incompatible tensor (384 variables"),
        ({"restored": 0}, None, "error", "restores nothing of the model"),
        ({"checkpoint": None}, None, "ok", "all new"),
        ({}, 500, "ok", "continues from the run's own ckpt-500"),
    ],
)
def test_what_the_engine_says_of_the_checkpoint(
    change: dict[str, Any], resumed: int | None, level: str, message: str
) -> None:
    finding = check_restored_weights({**REPORT, **change}, resumed)
    assert finding.level == level
    assert message in finding.message


def test_what_to_do_with_a_checkpoint_that_is_not_restored_comes_from_the_engine() -> None:
    assert (
        check_restored_weights({**REPORT, "error": "damaged", "hint": "Copy it again."}, None).hint == "Copy it again."
    )
    assert "same architecture" in check_restored_weights({**REPORT, "error": "other"}, None).hint
