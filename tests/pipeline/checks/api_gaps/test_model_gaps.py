"""Settings of models that the API fails on, when it builds them or in the first step, are told with what to set."""

from __future__ import annotations

from pathlib import Path

import pytest

from odtool.pipeline.checks.check_list import CHECKS
from odtool.pipeline.text import fields
from odtool.pipeline.text.facts import derive_facts
from odtool.pipeline.zoo import zoo

SSD, RCNN, CENTER_NET = "model.ssd", "model.faster_rcnn", "model.center_net"
MODELS = {
    SSD: "ssd_mobilenet_v2_320x320",
    RCNN: "faster_rcnn_resnet50_v1_640x640",
    CENTER_NET: "centernet_resnet101_v1_fpn_512x512",
}
SHARED = f"{SSD}.box_predictor.weight_shared_convolutional_box_predictor={{}}"
EQUAL = f"{SSD}.anchor_generator.ssd_anchor_generator.reduce_boxes_in_lowest_layer=false"
KEYPOINTS = (
    "loss {localization_loss {l1_localization_loss {}} classification_loss {penalty_reduced_logistic_focal_loss {}}}"
)
TASK = f"{CENTER_NET}.keypoint_estimation_task[+]"


def find_errors(*assignments: str) -> list[str]:
    """What the checks of settings say of a model of the zoo with these set, its records aside."""
    made = zoo.build(zoo.find(MODELS[".".join(assignments[-1].split(".")[:2])]))
    for assignment in assignments:
        fields.assign(made, assignment)
    facts = derive_facts(made)
    findings = [finding for check in CHECKS for finding in check(facts) if finding.subject == "model settings"]
    return [f"{finding.message} {finding.hint}" for finding in findings if finding.level == "error"]


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        ((f"{RCNN}.feature_extractor.conv_hyperparams={{}}",), "faster_rcnn_resnet50_keras does not take it"),
        ((f"{RCNN}.hard_example_miner={{}}",), "the API's mining of proposals fails on TensorFlow 2"),
        ((f"{SSD}.box_coder.square_box_coder={{}}",), "box_code_size is 4, but a square_box_coder has 3 numbers a box"),
        ((f"{SSD}.box_coder.keypoint_box_coder={{num_keypoints: 2}}",), "an SSD gives it no keypoints"),
        ((f"{SSD}.loss.localization_loss={{l1_localization_loss {{}}}}",), "the API cannot train an SSD"),
        (
            (f"{SSD}.post_processing.calibration_config={{sigmoid_calibration {{}}}}",),
            "calibration_config is sigmoid_calibration, which the API cannot build",
        ),
        ((f"{SSD}.post_processing.calibration_config={{}}",), "calibration_config names no calibration"),
        (
            (
                f"{RCNN}.second_stage_post_processing.calibration_config={{temperature_scaling_calibration "
                "{scaler: 0}}",
            ),
            "temperature_scaling_calibration.scaler is 0",
        ),
        ((f"{CENTER_NET}.output_prediction_dict=true",), "with which the API's evaluation fails"),
        ((f"{CENTER_NET}.deepmac_mask_estimation={{}}",), "DeepMAC needs tensorflow-io"),
        (
            (f"{CENTER_NET}.mask_estimation_task={{classification_loss {{weighted_sigmoid {{}}}}}}",),
            "is trained with masks, but train_input_reader does not load them",
        ),
        (
            (f"{RCNN}.inplace_batchnorm_update=true",),
            "inplace_batchnorm_update is true, which the API has for no",
        ),
        (
            (f"{SSD}.feature_extractor.type=ssd_mobilenet_v3_large",),
            "written for TensorFlow 1 Use one of ssd_mobilenet_v1_keras, ",
        ),
        ((f"{RCNN}.feature_extractor.fpn={{}}",), "feature_extractor.fpn is set, but faster_rcnn_resnet50_keras"),
        (
            (
                f"{RCNN}.first_stage_anchor_generator=",
                f"{RCNN}.first_stage_anchor_generator.ssd_anchor_generator={{num_layers: 1 scales: 0.5 "
                "aspect_ratios: 1}",
            ),
            "fractions of the image, but Faster R-CNN has its boxes in pixels Use a grid_anchor_generator",
        ),
        (
            (
                f"{RCNN}.first_stage_anchor_generator=",
                f"{RCNN}.first_stage_anchor_generator.flexible_grid_anchor_generator={{anchor_grid {{base_sizes: 16 "
                "aspect_ratios: 1}}",
            ),
            "normalize_coordinates is true, by default: Faster R-CNN takes anchors in pixels",
        ),
        (
            (
                f"{RCNN}.image_resizer=",
                f"{RCNN}.image_resizer.keep_aspect_ratio_resizer={{min_dimension: 64 max_dimension: 64}}",
            ),
            "use_static_balanced_label_sampler: keep_aspect_ratio_resizer leaves images in different sizes",
        ),
        (
            (
                f"{RCNN}.image_resizer=",
                f"{RCNN}.image_resizer.conditional_shape_resizer={{condition: INVALID size_threshold: 64}}",
            ),
            "condition is INVALID",
        ),
        (
            (f"{SSD}.box_predictor.convolutional_box_predictor.use_depthwise=true",),
            "use_depthwise cannot be used with a kernel_size of 1",
        ),
        ((f"{SSD}.box_predictor=", SHARED), "3 anchors a place in the first feature map and 6 in the others"),
        (
            (f"{CENTER_NET}.object_center_params.classification_loss=",),
            "center_params.classification_loss names",
        ),
        ((f"{CENTER_NET}.mask_estimation_task={{}}",), "mask_estimation_task.classification_loss names no loss"),
        (
            (f"{CENTER_NET}.object_detection_task.localization_loss={{weighted_giou {{}}}}",),
            "localization_loss is weighted_giou, with which the API cannot train this task Use l1_localization_loss",
        ),
        (
            (f"{TASK}={{{KEYPOINTS.replace('penalty_reduced_logistic_focal_loss', 'weighted_softmax')}}}",),
            "classification_loss is weighted_softmax, with which the API cannot train this task Use penalty",
        ),
        (
            (f"{TASK}={{loss {{expected_loss_weights: EXPECTED_SAMPLING}}}}",),
            "keypoint_estimation_task[0].loss.expected_loss_weights: the API has only NONE",
        ),
        ((f"{SSD}.loss.random_example_sampler={{positive_sample_fraction: 0}}",), "positive_sample_fraction"),
        ((f"{CENTER_NET}.post_processing={{}}",), "post_processing.batch_non_max_suppression.change_coordinate_frame"),
        ((f"{TASK}={{}}",), "keypoint_estimation_task[0].loss.classification_loss names no loss"),
        (
            (f"{CENTER_NET}.keypoint_label_map_path='{{map}}'", f"{TASK}={{predict_depth: true {KEYPOINTS}}}"),
            "predict_depth is true, but train_input_reader does not load depths",
        ),
        ((f"{TASK}={{{KEYPOINTS}}}",), "keypoint_label_map_path is not set"),
    ],
)
def test_what_the_api_cannot_build_is_told(assignments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    (tmp_path / "map").write_text("item { id: 1 name: 'a' keypoints { id: 0 label: 'x' } }")
    filled = [assignment.replace("{map}", str(tmp_path / "map")) for assignment in assignments]
    assert message in " ".join(find_errors(*filled))


@pytest.mark.parametrize(
    "assignments",
    [
        *((f"{root}.num_classes=3",) for root in MODELS),
        (EQUAL, f"{SSD}.box_predictor=", SHARED),
        (f"{SSD}.box_predictor.convolutional_box_predictor={{use_depthwise: true kernel_size: 3}}",),
    ],
)
def test_what_it_can_build_is_not_refused(assignments: tuple[str, ...]) -> None:
    assert find_errors(*assignments) == []


@pytest.mark.parametrize(
    ("text", "tasks", "message"),
    [
        ("item { id: 1 name: 'a' }", ("a",), "has no keypoints for 'a' Write them into its item"),
        ("item { id: 1 name: 'a' keypoints { id: 0 label: 'x' } }", ("b",), "for 'b' It has them for a."),
        ("item { id: 1 name: 'a' keypoints { id: 0 label: 'x' } }", ("a", "a"), "2 tasks are for the class 'a'"),
        (
            "item { id: 1 name: 'a' keypoints { id: 3 label: 'x' } } item { id: 2 name: 'b' keypoints { id: 3 } }",
            ("a", "b"),
            "gives the keypoint ids 3 more than once",
        ),
        ("item { id: 1 name: 'a' keypoints { id: 'x' } }", ("a",), "broken label map: "),
        ("item { id: 0 name: 'a' }", ("a",), "has id 0"),
        ("item { id: 1 name: 'a' keypoints { id: 0 label: 'x' } }", ("a",), ""),
    ],
)
def test_keypoint_tasks_are_compared_with_their_label_map(
    text: str, tasks: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    names = tmp_path / "keypoints.pbtxt"
    names.write_text(text)
    made = zoo.build(zoo.find(MODELS[CENTER_NET]))
    fields.assign(made, f"{CENTER_NET}.keypoint_label_map_path='{names}'")
    for name in tasks:
        fields.assign(made, f"{TASK}={{keypoint_class_name: '{name}' {KEYPOINTS}}}")
    facts = derive_facts(made)
    findings = [f"{one.message} {one.hint}" for check in CHECKS for one in check(facts) if "keypoint" in one.message]
    assert bool(findings) == bool(message)
    assert message in " ".join(findings)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("rgb_to_gray", "gives images of one channel"),
        ("scale_boxes_to_pixel_coordinates", "leaves boxes in pixels"),
        ("convert_class_logits_to_softmax", "there are no scores to convert"),
        ("ssd_random_crop", "operations[0].max_aspect_ratio is 0, as it is where it is not set"),
        ("random_adjust_contrast", "min_delta 1.3 is above max_delta 1.25"),
    ],
)
def test_steps_of_augmentation_that_no_model_can_be_trained_with_are_told(step: str, message: str) -> None:
    content = {"ssd_random_crop": "operations {}", "random_adjust_contrast": "min_delta: 1.3"}.get(step, "")
    option = f"train_config.data_augmentation_options[+]={{{step} {{{content}}}}}"
    assert message in find_errors(option, f"{SSD}.num_classes=3")[0]


def test_flips_need_the_order_of_mirrored_keypoints() -> None:
    flip = "train_config.data_augmentation_options[+]={random_horizontal_flip {}}"
    count = "train_input_reader.num_keypoints=2"
    assert find_errors(flip, f"{SSD}.num_classes=3") == []
    (error,) = find_errors("train_config.data_augmentation_options=", flip, count, f"{SSD}.num_classes=3")
    assert "keypoint_flip_permutation is empty, but train_input_reader.num_keypoints is 2" in error
    assert "keypoint_flip_permutation=[0, 1]' where none do" in error
    permutation = "train_config.data_augmentation_options[0].random_horizontal_flip.keypoint_flip_permutation=[1, 0]"
    assert not find_errors("train_config.data_augmentation_options=", flip, permutation, count, f"{SSD}.num_classes=3")
