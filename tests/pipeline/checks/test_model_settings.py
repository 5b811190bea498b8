"""Settings that the API would refuse after minutes are named at once, with the fields and the fix."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from odtool.errors import ConfigError
from odtool.pipeline.checks.check_list import list_findings, refuse_errors
from odtool.pipeline.checks.finding import Finding
from odtool.pipeline.checks.input_size import check_resizer
from odtool.pipeline.checks.training_length import check_learning_rate
from odtool.pipeline.configure import configuration
from odtool.pipeline.configure.configuration import ConfigureSettings
from odtool.pipeline.text import fields
from odtool.pipeline.text.config import PipelineConfig
from odtool.pipeline.text.facts import derive_facts
from odtool.pipeline.zoo import zoo
from odtool.pipeline.zoo.catalogue import MODELS
from odtool.pipeline.zoo.zoo_model import ZooModel
from odtool.workspace import Workspace

SSD = "ssd_mobilenet_v2_fpnlite_320x320"
PLAIN = "ssd_mobilenet_v2_320x320"
RCNN = "faster_rcnn_resnet50_v1_640x640"
CENTER = "centernet_resnet101_v1_fpn_512x512"
ANCHORS = "model.ssd.anchor_generator.multiscale_anchor_generator"
AUGMENT = "train_config.data_augmentation_options[+]"
HEADS = "model.faster_rcnn.second_stage_box_predictor.mask_rcnn_box_predictor"
NMS = "model.ssd.post_processing.batch_non_max_suppression"


def find_errors(made: PipelineConfig) -> list[Finding]:
    """Those of the settings alone: a zoo model's own config names no files."""
    findings = list_findings(derive_facts(made))
    return [finding for finding in findings if (finding.level, finding.subject) == ("error", "model settings")]


@pytest.fixture
def built() -> Callable[..., PipelineConfig]:
    """A zoo model's config with some fields set."""

    def build(model: str, *assignments: str) -> PipelineConfig:
        made = zoo.build(zoo.find(model))
        for assignment in assignments:
            fields.assign(made, assignment)
        return made

    return build


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_zoos_models_contradict_nothing(model: ZooModel) -> None:
    assert find_errors(zoo.build(model)) == []


@pytest.mark.parametrize(
    ("model", "assignments", "message", "hint"),
    [
        (RCNN, ("model.faster_rcnn.first_stage_max_proposals=10",), "second_stage_batch_size 64 is above", "size=10"),
        (RCNN, ("model.faster_rcnn.number_of_stages=4",), "number_of_stages is 4", "Set 2 to detect boxes"),
        (RCNN, ("model.faster_rcnn.second_stage_balance_fraction=2",), "balance_fraction is 2", "from 0 to 1"),
        (RCNN, ("model.faster_rcnn.first_stage_anchor_generator.grid_anchor_generator.scales=",), "scales is e", "1.0"),
        (RCNN, ("model.faster_rcnn.feature_extractor.type=faster_rcnn_resnet50",), "no 'faster_rcnn_r", "resnet50_ker"),
        (
            "faster_rcnn_resnet50_v1_fpn_640x640",
            ("model.faster_rcnn.first_stage_anchor_generator.multiscale_anchor_generator.normalize_coordinates=true",),
            "takes anchors in pixels",
            "normalize_coordinates=false",
        ),
        (
            SSD,
            ("model.ssd.feature_extractor.type=ssd_mobilenet_v2",),
            "no 'ssd_mobilenet_v2' in TensorFlow 2",
            "v2_keras",
        ),
        (
            SSD,
            (f"{ANCHORS}.max_level=6",),
            "max_level is 6, but model.ssd.feature_extractor.fpn.max_level is 7",
            "both",
        ),
        (SSD, (f"{ANCHORS}.scales_per_octave=0",), "scales_per_octave is 0", "at least 1"),
        (
            SSD,
            ("model.ssd.anchor_generator=",),
            "anchor_generator has no anchor generator",
            "multiscale_anchor_generator",
        ),
        (
            SSD,
            (f"{ANCHORS}.min_level=8", "model.ssd.feature_extractor.fpn.min_level=8"),
            "8 is above max_level",
            "3 to",
        ),
        (SSD, (f"{NMS}.max_total_detections=5",), "is above max_total_detections 5", "max_total_detections=100"),
        (SSD, (f"{NMS}.max_detections_per_class=0",), "nothing could be detected", "at least 1"),
        (SSD, (f"{NMS}.iou_threshold=60",), "iou_threshold is 60", "0 to 1"),
        (SSD, (f"{NMS}.soft_nms_sigma=-1",), "soft_nms_sigma is -1", "Set 0"),
        (SSD, (f"{NMS}.use_combined_nms=true", f"{NMS}.use_class_agnostic_nms=true"), "with use_class_ag", "s=false"),
        (SSD, (f"{NMS}.use_combined_nms=true",), "together with change_coordinate_frame, which is true by", "s=false"),
        (
            SSD,
            (f"{NMS}.use_combined_nms=true", f"{NMS}.change_coordinate_frame=false", f"{NMS}.soft_nms_sigma=0.5"),
            "use_combined_nms cannot be used together with soft_nms_sigma",
            "use_combined_nms=false",
        ),
        (SSD, (f"{NMS}.use_static_shapes=true", f"{NMS}.soft_nms_sigma=0.5"), "with soft_nms_sigma", "shapes=false"),
        (
            RCNN,
            ("model.faster_rcnn.second_stage_post_processing.batch_non_max_suppression.use_combined_nms=true",),
            "together with a second stage",
            "use_combined_nms=false",
        ),
        (SSD, ("model.ssd.box_predictor.mask_rcnn_box_predictor={}",), "is a mask_rcnn_box_predictor", "Use a conv"),
        (SSD, ("model.ssd.box_predictor=",), "names no predictor", "Use a convolutional_box_predictor or a weight"),
        (
            RCNN,
            ("model.faster_rcnn.second_stage_box_predictor.convolutional_box_predictor={}",),
            "is a convolutional_box_predictor, which this architecture cannot be trained with",
            "Use a mask_rcnn_box_predictor.",
        ),
        (
            SSD,
            ("model.ssd.feature_extractor.replace_preprocessor_with_placeholder=false",),
            "is set, but ssd_mobilenet_v2_fpn_keras does not take it",
            "placeholder=",
        ),
        (SSD, ("model.ssd.feature_extractor.num_layers=4",), "num_layers is set, but ssd_mobilenet_v2_fpn", "layers="),
        (
            SSD,
            ("model.ssd.use_confidences_as_targets=true", "model.ssd.add_background_class=false"),
            "use_confidences_as_targets cannot be used without add_background_class",
            "use_confidences_as_targets=false",
        ),
        (SSD, ("train_input_reader.input_type=INPUT_DEFAULT",), "which the API does not read", "TF_EXAMPLE"),
        (SSD, ("train_input_reader.load_dense_pose=true",), "lacks the table of symmetries", "load_dense_pose=false"),
        (SSD, ("eval_input_reader[0].load_context_features=true",), "only Context R-CNN uses them", "features=false"),
        (SSD, ("train_config.use_multiclass_scores=true",), "train_input_reader does not load them", "scores=false"),
        (SSD, (f"{ANCHORS}.normalize_coordinates=false",), "anchors in pixels match no box", "coordinates=true"),
        (SSD, ("model.ssd.loss.expected_loss_weights=EXPECTED_SAMPLING",), "the API has only NONE", "=NONE"),
        (
            "mask_rcnn_inception_resnet_v2_1024x1024",
            (f"{HEADS}.predict_instance_masks=false",),
            "predict_instance_masks is false, but number_of_stages is 3",
            "number_of_stages=2",
        ),
        (
            RCNN,
            (f"{HEADS}.predict_instance_masks=true",),
            "predict_instance_masks is true, but number_of_stages is 2",
            "number_of_stages=3",
        ),
        (
            "mask_rcnn_inception_resnet_v2_1024x1024",
            ("model.faster_rcnn.number_of_stages=1", 'eval_config.metrics_set=["coco_detection_metrics"]'),
            "predict_instance_masks is true, but number_of_stages is 1",
            "predict_instance_masks=false",
        ),
        (RCNN, (f"{HEADS}.predict_keypoints=true",), "no keypoint head for this model", "predict_keypoints=false"),
        (SSD, ("model.ssd.matcher.bipartite_matcher={}",), "no bipartite_matcher", "argmax"),
        (SSD, ("model.ssd.matcher.argmax_matcher.unmatched_threshold=0.6",), "0.6 is above matched", "threshold=0.5"),
        (SSD, ("model.ssd.matcher.argmax_matcher.negatives_lower_than_unmatched=false",), "must be below", "=true"),
        (SSD, ("model.ssd.explicit_background_class=true",), "are both true", "=false"),
        (SSD, ("model.ssd.loss.hard_example_miner={}",), "weighted_sigmoid_focal", "hard_example_miner="),
        (CENTER, ("model.center_net.object_detection_task=",), "object_detection_task is missing", "Copy it"),
        (SSD, (f"{AUGMENT}.autoaugment_image={{}}",), "autoaugment_image: needs tf.contrib", "Remove this"),
        (SSD, (f"{AUGMENT}.subtract_channel_mean={{}}",), "fails on TensorFlow 2", "Remove this step"),
        (SSD, (f"{AUGMENT}.resize_image.new_width=20",), "[2].resize_image.new_height is not set", "no usable default"),
        (SSD, (f"{AUGMENT}.ssd_random_crop_pad={{}}",), "among its default operations fails", "Give it one"),
        (SSD, (f"{AUGMENT}.random_pad_image.min_image_height=9",), "min_image_width is not set", "or neither"),
        (SSD, (f"{AUGMENT}.random_crop_pad_image.min_padded_size_ratio=[1]",), "but has 1", "two, or none"),
        (SSD, (f"{AUGMENT}={{}}",), "data_augmentation_options[2] names no step", "remove it"),
        (
            SSD,
            ("eval_input_reader[0].name=a", "eval_input_reader[+].name=a"),
            "'a' is also the name of [0]",
            "eval_input_reader[1].name=ANOTHER",
        ),
        (
            SSD,
            ("eval_config.metrics_set[0]=coco_keypoint_metrics",),
            "needs a class and its keypoints",
            "parameterized",
        ),
        (SSD, ("eval_config.metrics_set[0]=coco_detection",), "no 'coco_detection'", "coco_detection_metrics"),
        (
            SSD,
            ("train_config.fine_tune_checkpoint=x", "train_config.fine_tune_checkpoint_type=fine_tune"),
            "no 'fine_tune'",
            "detection",
        ),
    ],
)
def test_what_the_api_refuses_is_named_with_the_fix(
    built: Callable[..., PipelineConfig], model: str, assignments: tuple[str, ...], message: str, hint: str
) -> None:
    (finding,) = find_errors(built(model, *assignments))
    assert message in finding.message
    assert hint in finding.hint
    assert re.match(r"(model|train_config|train_input_reader|eval_config|eval_input_reader)[.[]", finding.message)


def sized(name: str, height: int, width: int | None = None) -> tuple[str, str]:
    path = f"model.{name}.image_resizer.fixed_shape_resizer"
    return f"{path}.height={height}", f"{path}.width={width or height}"


# Each was tried by building the model, and for CenterNet by computing its loss.
@pytest.mark.parametrize(
    ("model", "assignments", "message"),
    [
        (
            SSD,
            sized("ssd", 300),
            "cannot use 300 pixels: the features of its levels 3 to 5|multiple of 32, such as 288 or",
        ),
        (SSD, sized("ssd", 320, 336), "cannot use 336 pixels"),
        (SSD, (*sized("ssd", 300), "model.ssd.feature_extractor.pad_to_multiple=32"), ""),
        (SSD, sized("ssd", 32), "needs at least 33 on"),
        (PLAIN, sized("ssd", 300, 70), ""),
        ("efficientdet_d0_512x512", sized("ssd", 320), "cannot use 320 pixels: .* 3 to 7.*128, such as 256 or 384"),
        ("efficientdet_d0_512x512", sized("ssd", 384), ""),
        ("efficientdet_d0_512x512", sized("ssd", 128), "needs at least 129 on"),
        ("faster_rcnn_resnet50_v1_fpn_640x640", sized("faster_rcnn", 300), ""),
        (CENTER, sized("center_net", 500), "cannot use 500 pixels: the features of its levels 2 to 5"),
        (CENTER, sized("center_net", 510), "cannot use 510 pixels"),
        (CENTER, sized("center_net", 416), ""),
        ("centernet_resnet50_v2_512x512_kpts", sized("center_net", 260), "cannot use 260 pixels"),
        ("centernet_hourglass104_512x512", sized("center_net", 416), "cannot use 416 pixels.* 2 to 7.*384 or 512"),
        (SSD, ("model.ssd.image_resizer.pad_to_multiple_resizer.multiple=32",), "cannot train with a pad_to_multiple"),
        (SSD, ("model.ssd.image_resizer=",), "names no resizer"),
        (SSD, ("model.ssd.image_resizer.identity_resizer={}",), "identity_resizer leaves images in different sizes"),
        (PLAIN, ("model.ssd.image_resizer.identity_resizer={}",), ""),
        (
            SSD,
            (
                "model.ssd.image_resizer.keep_aspect_ratio_resizer.min_dimension=320",
                "model.ssd.image_resizer.keep_aspect_ratio_resizer.max_dimension=256",
                "model.ssd.image_resizer.keep_aspect_ratio_resizer.pad_to_max_dimension=true",
            ),
            "min_dimension 320 is above max_dimension 256.*max_dimension=320",
        ),
    ],
)
def test_sizes_that_an_architecture_cannot_use(
    built: Callable[..., PipelineConfig], model: str, assignments: tuple[str, ...], message: str
) -> None:
    findings = [
        f"{finding.message} {finding.hint}" for finding in check_resizer(derive_facts(built(model, *assignments)))
    ]
    assert len(findings) == bool(message)
    assert re.search(message, "".join(findings))


def test_images_of_many_sizes_make_no_batch(workspace: Workspace) -> None:
    path = "model.faster_rcnn.image_resizer.keep_aspect_ratio_resizer"
    sampler = "model.faster_rcnn.use_static_balanced_label_sampler=false"
    unpadded = (f"{path}.pad_to_max_dimension=false", sampler)
    with pytest.raises(ConfigError, match=r"keep_aspect_ratio_resizer leaves images in different sizes, but all 8"):
        configuration.configure(workspace, ConfigureSettings(model=RCNN, assignments=unpadded))
    configuration.configure(workspace, ConfigureSettings(model=RCNN, assignments=unpadded, batch_size=1))
    with pytest.raises(ConfigError, match=r"use_static_balanced_label_sampler: keep_aspect_ratio_resizer leaves"):
        configuration.configure(workspace, ConfigureSettings(model=RCNN, assignments=unpadded[:1], batch_size=1))


def test_configure_and_check_find_them(workspace: Workspace) -> None:
    wish = "model.faster_rcnn.first_stage_max_proposals=32"
    with pytest.raises(ConfigError, match=r"pipeline.config: model.faster_rcnn: second_stage_batch_size 64"):
        configuration.configure(workspace, ConfigureSettings(model=RCNN, assignments=(wish,)))
    made = configuration.configure(workspace, ConfigureSettings(model=RCNN)).config
    fields.assign(made, wish)
    fields.assign(made, "model.faster_rcnn.number_of_stages=0")
    errors = [finding for finding in list_findings(derive_facts(made, Path("my.config"))) if finding.level == "error"]
    assert [finding.subject for finding in errors] == ["model settings"] * 2
    assert all(finding.message.startswith("my.config: model.faster_rcnn") for finding in errors)


def test_a_rate_that_ends_early_and_a_backbone_of_random_weights_are_said(workspace: Workspace) -> None:
    made = configuration.configure(workspace, ConfigureSettings(assignments=("train_config.num_steps=90000",)))
    assert any("the learning rate is 0 from step 50,000 of 90,000 on" in note for note in made.notes)
    (warning,) = (finding for finding in list_findings(derive_facts(made.config)) if finding.level == "warning")
    assert warning.subject == "model settings"
    kind = "model.center_net.feature_extractor.type=mobilenet_v2_fpn"
    made = configuration.configure(workspace, ConfigureSettings(model=CENTER, assignments=(kind,)))
    assert any("mobilenet_v2_fpn starts from random weights" in note for note in made.notes)


@pytest.mark.parametrize("steps", [(), (0, 5), (5, 5), (7, 3)])
def test_manual_steps_that_the_api_refuses(workspace: Workspace, steps: tuple[int, ...]) -> None:
    made = configuration.configure(workspace, ConfigureSettings(dry_run=True)).config
    rate = made.message.train_config.optimizer.momentum_optimizer.learning_rate.manual_step_learning_rate
    rate.SetInParent()
    for step in steps:
        rate.schedule.add(step=step, learning_rate=0.1)
    with pytest.raises(ConfigError, match=r"manual_step_learning_rate\.schedule"):
        refuse_errors(derive_facts(made), [check_learning_rate])
