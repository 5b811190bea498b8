"""What is said to be impossible before anything is built is what the API itself refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.pipeline.checks import check_list, evaluation, model_settings
from odtool.pipeline.checks.augmentation import check_augmentation
from odtool.pipeline.checks.model_settings import EXTRACTORS
from odtool.pipeline.text import config, fields
from odtool.pipeline.text.facts import derive_facts
from odtool.workspace import Run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("api")]
ANCHORS = "model.ssd.anchor_generator.multiscale_anchor_generator"
OPERATION = (
    "operations { min_object_covered: 0.1 min_aspect_ratio: 0.5 max_aspect_ratio: 2 min_area: 0.1 max_area: 1 "
    "overlap_thresh: 0.1 min_padded_size_ratio: [1, 1] max_padded_size_ratio: [2, 2] "
    "pad_color_r: 1 pad_color_g: 1 pad_color_b: 1 }"
)
JITTERS = (
    "DEFAULT", "EXPAND", "SHRINK", "EXPAND_SYMMETRIC", "SHRINK_SYMMETRIC", "EXPAND_SYMMETRIC_XY", "SHRINK_SYMMETRIC_XY",
)  # fmt: skip
METHODS = ("AREA", "BICUBIC", "BILINEAR", "NEAREST_NEIGHBOR")
CROPS = ("random_crop_image", "random_crop_pad_image", "random_crop_to_aspect_ratio")
SSD_CROPS = ("ssd_random_crop", "ssd_random_crop_pad_fixed_aspect_ratio")
LIMITS = (
    "min_object_covered: 0.1 min_aspect_ratio: 0.5 max_aspect_ratio: 2 min_area: 0.1 max_area: 1 overlap_thresh: 0.1"
)
NMS = "model.ssd.post_processing.batch_non_max_suppression"
RCNN = "model.faster_rcnn"
RCNN_HEADS = f"{RCNN}.second_stage_box_predictor.mask_rcnn_box_predictor"


def test_the_feature_extractors_and_metrics_are_the_apis() -> None:
    from object_detection import eval_util
    from object_detection.builders import model_builder

    assert set(model_settings.EXTRACTORS["ssd"]) == set(model_builder.SSD_KERAS_FEATURE_EXTRACTOR_CLASS_MAP)
    assert set(model_settings.EXTRACTORS["faster_rcnn"]) == set(
        model_builder.FASTER_RCNN_KERAS_FEATURE_EXTRACTOR_CLASS_MAP
    )
    assert set(model_settings.EXTRACTORS["center_net"]) == set(model_builder.CENTER_NET_EXTRACTOR_FUNCTION_MAP)
    source = Path(model_builder.__file__).read_text()
    first = re.findall(r"'((?:embedded_)?(?:ssd|faster_rcnn)_\w+)':", source.partition("if tf_version.is_tf1():")[2])
    known_first = {name for name in first if not any(f"{name}_keras" in names for names in EXTRACTORS.values())}
    assert known_first - {name for names in EXTRACTORS.values() for name in names} == set(model_settings.TENSORFLOW_1)
    known = eval_util.EVAL_METRICS_CLASS_DICT
    assert {*evaluation.METRICS, evaluation.KEYPOINT_METRICS} == set(known)
    for name in evaluation.METRICS:
        assert known[name]([{"id": 1, "name": "cat"}])
    with pytest.raises(TypeError):
        known[evaluation.KEYPOINT_METRICS]([{"id": 1, "name": "cat"}])


@pytest.mark.parametrize(
    ("text", "works"),
    [
        ("normalize_image { }", False),
        ("normalize_image { original_minval: 0 original_maxval: 255 target_minval: 0 target_maxval: 1 }", True),
        ("random_resize_method { target_height: 20 }", False),
        ("random_resize_method { target_height: 20 target_width: 20 }", True),
        ("resize_image { }", False),
        ("resize_image { new_height: 20 new_width: 20 }", True),
        ("subtract_channel_mean { means: [1, 2, 3] }", False),
        ("ssd_random_crop_pad { }", False),
        (f"ssd_random_crop_pad {{ {OPERATION} {OPERATION} }}", False),
        (f"ssd_random_crop_pad {{ {OPERATION} }}", True),
        ("autoaugment_image { }", False),
        ("random_pad_image { min_image_height: 90 }", False),
        ("random_pad_image { min_image_height: 90 min_image_width: 90 }", True),
        ("random_crop_pad_image { max_padded_size_ratio: [2] }", False),
        ("random_crop_pad_image { max_padded_size_ratio: [2, 2] }", True),
        *((f"random_jitter_boxes {{ ratio: 0.05 jitter_mode: {mode} }}", True) for mode in JITTERS),
        *((f"resize_image {{ new_height: 20 new_width: 20 method: {method} }}", True) for method in METHODS),
        *((f"{step} {{ clip_boxes: {flag} }}", True) for step in CROPS for flag in ("true", "false")),
        *(
            (f"{step} {{ operations {{ {LIMITS} clip_boxes: {flag} }} }}", True)
            for step in SSD_CROPS
            for flag in ("true", "false")
        ),
    ],
)
def test_a_step_of_augmentation_works_or_is_refused(api: Any, text: str, works: bool) -> None:
    from object_detection import inputs
    from object_detection.builders import preprocessor_builder

    made = config.parse(f"model {{ ssd {{ }} }} train_config {{ data_augmentation_options {{ {text} }} }}", "f")
    assert bool(list(check_augmentation(derive_facts(made)))) != works

    def augment(image: Any, boxes: Any) -> Any:
        (step,) = made.message.train_config.data_augmentation_options
        labels = api.ones([1], api.int32)
        given = {"image": image, "groundtruth_boxes": boxes, "groundtruth_classes": labels}
        given["groundtruth_weights"] = api.ones([1])
        return inputs.augment_input_data(given, [preprocessor_builder.build(step)])["image"]

    def run() -> None:
        source = (api.zeros([60, 40, 3]), api.constant([[0.1, 0.1, 0.9, 0.9]]))
        # Many times, as some choose what they do at random.
        for image in api.data.Dataset.from_tensors(source).repeat(60).map(augment):
            assert image.shape[-1] == 3

    if works:
        run()
    else:
        with pytest.raises((ValueError, TypeError, NameError, api.errors.OpError)):
            run()


@pytest.mark.parametrize(
    ("assignment", "works"),
    [
        ("model.ssd.image_resizer.fixed_shape_resizer.height=100", False),
        ("model.ssd.image_resizer.fixed_shape_resizer.height=128", True),
        (f"{ANCHORS}.max_level=6", False),
        (f"{ANCHORS}.scales_per_octave=0", False),
        (f"{NMS}.max_total_detections=5", False),
        (f"{NMS}.iou_threshold=60", False),
        ("model.ssd.feature_extractor.type=ssd_mobilenet_v2", False),
        ("model.ssd.matcher.bipartite_matcher={}", False),
        ("model.ssd.matcher.argmax_matcher.unmatched_threshold=0.6", False),
        ("model.ssd.loss.hard_example_miner={}", False),
        ("model.ssd.explicit_background_class=true", False),
        ("model.ssd.feature_extractor.replace_preprocessor_with_placeholder=false", False),
        ("model.ssd.feature_extractor.num_layers=4", False),
        ("model.ssd.loss.expected_loss_weights=EXPECTED_SAMPLING", False),
        ("model.ssd.box_predictor.mask_rcnn_box_predictor={}", False),
    ],
)
def test_the_api_refuses_what_is_found(new_run: Callable[..., Run], assignment: str, works: bool) -> None:
    from odtool.engine import model

    run = new_run()
    made = config.load(run.pipeline_config)
    fields.assign(made, assignment)
    findings = check_list.list_findings(derive_facts(made))
    assert any((finding.level, finding.subject) == ("error", "model settings") for finding in findings) != works
    config.save(made, run.pipeline_config)
    configs = model.read_configs(run.pipeline_config)

    def build() -> Any:
        detector = model.build_model(configs["model"])
        model.make_variables(detector, model.read_element_spec(configs, batch=2))

    if works:
        build()
    else:
        with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
            build()


def test_heads_that_are_said_to_be_ignored_change_nothing_that_the_api_builds(api: Any) -> None:
    from odtool.engine import model
    from odtool.pipeline.zoo import zoo

    def build(*assignments: str) -> list[tuple[str, Any]]:
        made = zoo.build(zoo.find("faster_rcnn_resnet50_v1_640x640"))
        for assignment in (f"{RCNN}.image_resizer.fixed_shape_resizer={{height: 64 width: 64}}", *assignments):
            fields.assign(made, assignment)
        findings = check_list.list_findings(derive_facts(made))
        refused = [finding for finding in findings if (finding.level, finding.subject) == ("error", "model settings")]
        assert len(refused) == len(assignments)
        detector = model.build_model(made.message.model)
        model.make_variables(detector, model.read_element_spec({"model": made.message.model}, batch=1))
        # Keras counts layers of a name in a process.
        return [(re.sub(r"_\d+(?=/)", "", variable.name), variable.shape) for variable in detector.variables]

    plain = build()
    api.keras.backend.clear_session()
    assert build(f"{RCNN_HEADS}.predict_instance_masks=true", f"{RCNN_HEADS}.predict_keypoints=true") == plain


@pytest.mark.parametrize(
    ("layers", "upsamples", "uniform"), [(2, False, True), (6, False, True), (7, False, False), (8, True, True)]
)
def test_masks_said_to_be_alike_inside_are_so_where_a_box_is_one_vector(
    api: Any, layers: int, upsamples: bool, uniform: bool
) -> None:
    import numpy as np
    from object_detection.builders import hyperparams_builder
    from object_detection.models.faster_rcnn_resnet_v1_fpn_keras_feature_extractor import (
        FasterRCNNResnet50FpnKerasFeatureExtractor,
    )
    from object_detection.predictors.heads.keras_mask_head import MaskRCNNMaskHead

    from odtool.pipeline.zoo import zoo

    made = zoo.build(zoo.find("mask_rcnn_inception_resnet_v2_1024x1024"))
    for assignment in (
        f"{RCNN}.feature_extractor.type=faster_rcnn_resnet50_fpn_keras",
        f"{RCNN_HEADS}.mask_height=15",
        f"{RCNN_HEADS}.mask_width=15",
        f"{RCNN_HEADS}.mask_prediction_num_conv_layers={layers}",
        f"{RCNN_HEADS}.convolve_then_upsample_masks={str(upsamples).lower()}",
        f"{RCNN_HEADS}.conv_hyperparams.initializer={{variance_scaling_initializer {{}}}}",
    ):
        fields.assign(made, assignment)
    found = [finding for finding in check_list.list_findings(derive_facts(made)) if "will be alike" in finding.message]
    assert [finding.level for finding in found] == ["warning"] * uniform

    settings = hyperparams_builder.KerasLayerHyperparams(
        made.message.model.faster_rcnn.second_stage_box_predictor.mask_rcnn_box_predictor.conv_hyperparams
    )
    extractor = FasterRCNNResnet50FpnKerasFeatureExtractor(is_training=False, conv_hyperparams=settings)
    features = extractor.get_box_classifier_feature_extractor_model("box")(api.random.normal([2, 7, 7, 4]))
    assert features.shape == (2, 1, 1, 1024)
    head = MaskRCNNMaskHead(
        is_training=False,
        num_classes=2,
        freeze_batchnorm=False,
        conv_hyperparams=settings,
        mask_height=15,
        mask_width=15,
        mask_prediction_num_conv_layers=layers,
        mask_prediction_conv_depth=8,
        convolve_then_upsample=upsamples,
    )
    masks = head(features).numpy()[:, 0]
    reach = 2 if upsamples else layers
    inside = masks[:, :, reach : 15 - reach, reach : 15 - reach]
    assert np.ptp(inside, axis=(2, 3)).max() < 1e-4 * np.abs(masks).max()
    # One point farther out they are not.
    around = masks[:, :, reach - 1 : 16 - reach, reach - 1 : 16 - reach]
    assert np.ptp(around, axis=(2, 3)).min() > 1e-3 * np.abs(masks).max()
