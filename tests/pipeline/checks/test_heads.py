"""What a model learns beside boxes, held against what the records hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from odtool.errors import ConfigError
from odtool.pipeline.checks import before_training, findings, heads
from odtool.pipeline.configure import configuration
from odtool.pipeline.configure.configuration import Request
from odtool.pipeline.text import config
from odtool.pipeline.zoo import zoo
from odtool.pipeline.zoo.catalogue import MODELS
from odtool.workspace import Workspace

MASKS = "mask_rcnn_inception_resnet_v2_1024x1024"
KEY_POINTS = "centernet_resnet50_v2_512x512_kpts"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_each_zoo_model_needs_what_it_puts_out(model: zoo.ZooModel) -> None:
    names = {"boxes": None, "masks": "masks", "keypoints": "key points"}
    wanted = {names[output] for output in model.outputs} - {None}
    assert set(heads.needed(zoo.build(model))) == wanted


def refused(workspace: Workspace, model: str) -> ConfigError:
    """What is said of a config as the zoo has it, with the workspace's records."""
    made = configuration.configure(workspace, Request(model=model, steps=100, checkpoint="none", dry_run=True)).config
    original = zoo.build(zoo.find(model)).message.model
    made.message.model.CopyFrom(original)
    config.model(made).num_classes = 2
    if model == KEY_POINTS:
        made.message.model.center_net.keypoint_label_map_path = made.message.train_input_reader.label_map_path
    with pytest.raises(ConfigError) as error:
        before_training.check(made, Path("my.config"))
    return error.value


def test_a_model_of_masks_is_refused_for_records_without_any(workspace: Workspace) -> None:
    error = refused(workspace, MASKS)
    assert error.message == (
        "my.config: model.faster_rcnn.number_of_stages: 3 learns masks, and the records in "
        f"{workspace.data.path} hold none"
    )
    assert "odtool prepare --masks" in error.hint


def test_a_model_of_key_points_is_refused_for_records_of_prepare(workspace: Workspace) -> None:
    error = refused(workspace, KEY_POINTS)
    assert "model.center_net.keypoint_estimation_task learns key points" in error.message
    assert "odtool configure" in error.hint


def test_what_configure_makes_of_them_is_accepted(workspace: Workspace) -> None:
    for model in (MASKS, KEY_POINTS):
        request = Request(model=model, steps=100, checkpoint="none", dry_run=True)
        made = configuration.configure(workspace, request).config
        assert heads.needed(made) == {}
        before_training.check(made, Path("my.config"))


def test_masks_in_the_records_are_enough(workspace: Workspace) -> None:
    summary = json.loads(workspace.data.summary.read_text())
    workspace.data.summary.write_text(json.dumps(summary | {"masks": True}))
    request = Request(model=MASKS, steps=100, checkpoint="none", dry_run=True)
    made = configuration.configure(workspace, request).config
    assert set(heads.needed(made)) == {"masks"}
    before_training.check(made, Path("my.config"))


def test_key_points_in_the_records_are_enough_and_configure_sets_none_up(workspace: Workspace) -> None:
    summary = json.loads(workspace.data.summary.read_text())
    workspace.data.summary.write_text(json.dumps(summary | {"keypoints": 17}))
    request = Request(model=KEY_POINTS, steps=100, checkpoint="none", dry_run=True)
    configured = configuration.configure(workspace, request)
    assert heads.needed(configured.config) == {}
    assert any("odtool configure sets none up" in note for note in configured.notes)
    assert not any("the records have no key points" in note for note in configured.notes)
    assert not any("no key points in the records" in change.reason for change in configured.changes)
    made = configured.config
    made.message.model.center_net.keypoint_estimation_task.add()
    before_training.check(made, Path("my.config"))


def test_a_look_at_the_records_tells_as_well() -> None:
    made = zoo.build(zoo.find(MASKS))
    assert list(findings.of_annotations(made, "train", {"masks": 1, "key points": 0})) == []
    (finding,) = findings.of_annotations(made, "train", {"masks": 0, "key points": 1})
    assert (finding.level, finding.subject) == ("error", "train data")
    assert "the train records hold none" in finding.message
