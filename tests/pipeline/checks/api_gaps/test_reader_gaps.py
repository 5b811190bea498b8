"""Readers that ask prepared records for what they do not hold are refused before training."""

from __future__ import annotations

import json

import pytest

from odtool.pipeline.checks.check_list import list_findings
from odtool.pipeline.configure import configuration
from odtool.pipeline.configure.configuration import ConfigureSettings
from odtool.pipeline.text import fields
from odtool.pipeline.text.facts import derive_facts
from odtool.workspace import Workspace


def find_errors(workspace: Workspace, *assignments: str, masks: bool = False) -> list[str]:
    """What is said of a small SSD for the workspace's records with these fields set."""
    if masks:
        summary = json.loads(workspace.data.summary.read_text())
        workspace.data.summary.write_text(json.dumps(summary | {"masks": True}))
    settings = ConfigureSettings(model="demo_ssd", steps=100, checkpoint="none", dry_run=True)
    made = configuration.configure(workspace, settings).config
    for assignment in assignments:
        fields.assign(made, assignment)
    return [finding.message for finding in list_findings(derive_facts(made)) if finding.level == "error"]


@pytest.mark.parametrize("reader", ["train_input_reader", "eval_input_reader[0]"])
def test_the_kind_of_masks_is_that_of_the_records(workspace: Workspace, reader: str) -> None:
    wanted = (f"{reader}.load_instance_masks=true",)
    (error,) = find_errors(workspace, *wanted, masks=True)
    assert error == f"{reader}.mask_type is NUMERICAL_MASKS, but the records hold masks as PNGs"
    assert find_errors(workspace, *wanted, f"{reader}.mask_type=PNG_MASKS", masks=True) == []


@pytest.mark.parametrize("reader", ["train_input_reader", "eval_input_reader[0]"])
def test_prepared_records_are_not_sequences(workspace: Workspace, reader: str) -> None:
    (error,) = find_errors(workspace, f"{reader}.input_type=TF_SEQUENCE_EXAMPLE")
    assert error == f"{reader}.input_type is TF_SEQUENCE_EXAMPLE, but the records hold tf.train.Examples"


def test_prepared_records_have_no_scores_of_several_classes(workspace: Workspace) -> None:
    wanted = ("train_config.use_multiclass_scores=true", "train_input_reader.load_multiclass_scores=true")
    (error,) = find_errors(workspace, *wanted)
    assert error == "train_config.use_multiclass_scores is true, but the records hold none"


def test_training_takes_whole_batches(workspace: Workspace) -> None:
    (error,) = find_errors(workspace, "train_input_reader.drop_remainder=false")
    assert error == "train_input_reader.drop_remainder is false, but the API trains on whole batches only"
    assert find_errors(workspace, "eval_input_reader[0].drop_remainder=false") == []
