"""What a model predicts beside boxes, compared with what the records hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from odtool.dataset import label_map
from odtool.errors import ConfigError
from odtool.pipeline.checks.annotations import check_read_annotations
from odtool.pipeline.checks.check_list import refuse_errors
from odtool.pipeline.configure import configuration
from odtool.pipeline.configure.configuration import ConfigureSettings
from odtool.pipeline.text import fields, heads
from odtool.pipeline.text.facts import derive_facts
from odtool.pipeline.zoo import zoo
from odtool.pipeline.zoo.catalogue import MODELS
from odtool.workspace import Workspace

MASKS = "mask_rcnn_inception_resnet_v2_1024x1024"
KEYPOINTS = "centernet_resnet50_v2_512x512_kpts"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_each_zoo_model_needs_what_it_puts_out(model: zoo.ZooModel) -> None:
    assert set(heads.find_learned(derive_facts(zoo.build(model)))) == {*model.outputs} - {"boxes"}


def refused(workspace: Workspace, model: str) -> ConfigError:
    """What is said of a config as the zoo has it, with the workspace's records."""
    made = configuration.configure(
        workspace, ConfigureSettings(model=model, steps=100, checkpoint="none", dry_run=True)
    ).config
    original = zoo.build(zoo.find(model)).message.model
    made.message.model.CopyFrom(original)
    derive_facts(made).model.num_classes = 2
    if model == KEYPOINTS:
        made.message.model.center_net.keypoint_label_map_path = made.message.train_input_reader.label_map_path
    with pytest.raises(ConfigError) as error:
        refuse_errors(derive_facts(made, Path("my.config")))
    return error.value


def test_a_model_of_masks_is_refused_for_records_without_any(workspace: Workspace) -> None:
    error = refused(workspace, MASKS)
    assert error.message == (
        "my.config: model.faster_rcnn.number_of_stages: 3 is trained with masks, but the records in "
        f"{workspace.data.path} hold none"
    )
    assert "odtool prepare --masks" in error.hint


def test_a_model_of_keypoints_is_refused_for_records_of_prepare(workspace: Workspace) -> None:
    error = refused(workspace, KEYPOINTS)
    assert "model.center_net.keypoint_estimation_task is trained with keypoints" in error.message
    assert "odtool configure" in error.hint


def test_what_configure_makes_of_them_is_accepted(workspace: Workspace) -> None:
    for model in (MASKS, KEYPOINTS):
        settings = ConfigureSettings(model=model, steps=100, checkpoint="none", dry_run=True)
        made = configuration.configure(workspace, settings).config
        assert heads.find_learned(derive_facts(made)) == {}
        refuse_errors(derive_facts(made, Path("my.config")))


def test_masks_in_the_records_are_enough(workspace: Workspace) -> None:
    summary = json.loads(workspace.data.summary.read_text())
    workspace.data.summary.write_text(json.dumps(summary | {"masks": True}))
    settings = ConfigureSettings(model=MASKS, steps=100, checkpoint="none", dry_run=True)
    made = configuration.configure(workspace, settings).config
    assert set(heads.find_learned(derive_facts(made))) == {"masks"}
    refuse_errors(derive_facts(made, Path("my.config")))


def test_keypoints_in_the_records_are_enough_and_configure_sets_none_up(workspace: Workspace) -> None:
    summary = json.loads(workspace.data.summary.read_text())
    workspace.data.summary.write_text(json.dumps(summary | {"keypoints": 17}))
    settings = ConfigureSettings(model=KEYPOINTS, steps=100, checkpoint="none", dry_run=True)
    configured = configuration.configure(workspace, settings)
    assert heads.find_learned(configured.facts) == {}
    assert any("odtool configure does not set up keypoint heads" in note for note in configured.notes)
    assert not any("the records have no keypoints" in note for note in configured.notes)
    assert not any("no keypoints in the records" in change.reason for change in configured.changes)
    made = configured.config
    names = workspace.data.label_map
    names.write_text(names.read_text().replace("}", "keypoints { id: 0 label: 'tip' } }", 1))
    first = next(iter(label_map.load(names)))
    for assignment in (
        f"model.center_net.keypoint_label_map_path='{names}'",
        f"model.center_net.keypoint_estimation_task[+]={{keypoint_class_name: '{first}' loss {{"
        "localization_loss {l1_localization_loss {}} classification_loss {penalty_reduced_logistic_focal_loss {}}}}",
    ):
        fields.assign(made, assignment)
    refuse_errors(derive_facts(made, Path("my.config")))


def test_a_look_at_the_records_tells_as_well() -> None:
    facts = derive_facts(zoo.build(zoo.find(MASKS)))
    assert list(check_read_annotations(facts, "train", {"masks": 1, "keypoints": 0})) == []
    (finding,) = check_read_annotations(facts, "train", {"masks": 0, "keypoints": 1})
    assert (finding.level, finding.subject) == ("error", "train data")
    assert "the train records hold none" in finding.message


def test_a_reader_that_asks_for_masks_is_refused_where_the_records_hold_none() -> None:
    facts = derive_facts(zoo.build(zoo.find("demo_ssd")))
    assert list(check_read_annotations(facts, "train", {"masks": 0, "keypoints": 0})) == []
    facts.message.train_input_reader.load_instance_masks = True
    (finding,) = check_read_annotations(facts, "train", {"masks": 0, "keypoints": 0})
    assert "train_input_reader.load_instance_masks is set, but the train records hold no masks" in finding.message
    assert list(check_read_annotations(facts, "train", {"masks": 3, "keypoints": 0})) == []
