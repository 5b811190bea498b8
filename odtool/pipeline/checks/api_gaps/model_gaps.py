"""Checks of a model's settings that the API cannot build or train, or that make it learn nothing.

Each was tried by scripts/try_settings.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from odtool.pipeline.checks.finding import Finding, report_error, report_warning
from odtool.pipeline.text.facts import ConfigFacts

_PREDICTORS = {
    "ssd": ("box_predictor", ("convolutional_box_predictor", "weight_shared_convolutional_box_predictor")),
    "faster_rcnn": ("second_stage_box_predictor", ("mask_rcnn_box_predictor",)),
}
"""The field of a model's box predictor, and those that fit it (builders/box_predictor_builder.py makes any)."""
_COUNTED_LAYERS = ("ssd_mobilenet_v1_keras", "ssd_mobilenet_v2_keras")
"""Feature extractors that take num_layers; for the others it is an argument that they do not know."""
_UNUSABLE_FLAGS: Mapping[str, Mapping[str, str]] = {
    # builders/model_builder.py; an SSD passes over it
    "faster_rcnn": {"inplace_batchnorm_update": "which the API has for no Faster R-CNN"},
    # eval_util.py makes no batch of the lists that the predictions then hold
    "center_net": {"output_prediction_dict": "with which the API's evaluation fails"},
}
"""By architecture, fields that cannot be true, and why."""
_ANCHORS = "anchor_generator_oneof"
_BOX_CODE, _SQUARE_CODE = 4, 3
"""Numbers that a box is coded as."""
_CALIBRATORS = ("function_approximation", "class_id_function_approximations", "temperature_scaling_calibration")
_GRID = "grid_anchor_generator"
_REDUCED_BOXES = 3
"""Anchors a place of the first feature map (anchor_generators/multiple_grid_anchor_generator.py)."""
_PYRAMID_ARGUMENTS = ("conv_hyperparams", "fpn")
"""Of Faster R-CNN's feature extractors, those with a pyramid alone know them."""


def check_box_predictor(facts: ConfigFacts) -> Iterator[Finding]:
    """What predictors are called with differs by architecture (meta_architectures)."""
    if facts.meta_architecture not in _PREDICTORS:
        return
    field, fitting = _PREDICTORS[facts.meta_architecture]
    kind = getattr(facts.model, field).WhichOneof("box_predictor_oneof")
    if kind not in fitting:
        yield report_error(
            f"{facts.model_path}.{field} {f'is a {kind}' if kind else 'names no predictor'}, which this architecture "
            "cannot be trained with",
            f"Use a {' or a '.join(fitting)}.",
        )


def check_extractor_arguments(facts: ConfigFacts) -> Iterator[Finding]:
    """model_builder.py hands on what is set, whether a feature extractor knows it or not: a TypeError."""
    extractor, here = facts.model.feature_extractor, f"{facts.model_path}.feature_extractor"
    for name in _list_unknown_arguments(facts.meta_architecture, extractor):
        yield report_error(f"{here}.{name} is set, but {extractor.type} does not take it", f"--set {here}.{name}=")


def _list_unknown_arguments(architecture: str, extractor: Any) -> list[str]:
    if architecture == "faster_rcnn":
        names = () if "_fpn_" in extractor.type else _PYRAMID_ARGUMENTS
    elif architecture == "ssd":
        counted = extractor.type in _COUNTED_LAYERS
        names = ("replace_preprocessor_with_placeholder", *(() if counted else ("num_layers",)))
    else:  # those of CenterNet pass over what they do not know
        names = ()
    return [name for name in names if extractor.HasField(name)]


def check_static_shapes(facts: ConfigFacts) -> Iterator[Finding]:
    """core/balanced_positive_negative_sampler.py asks for the number of anchors, which follows from an image's size."""
    model, path = facts.model, facts.model_path
    if facts.meta_architecture != "faster_rcnn" or facts.input_size is not None:
        return
    if model.use_static_shapes and model.use_static_balanced_label_sampler:
        kind, _ = facts.resizer
        yield report_error(
            f"{path}.use_static_balanced_label_sampler: {kind} leaves images in different sizes, but it needs one",
            f"--set {path}.use_static_balanced_label_sampler=false",
        )


def check_proposal_mining(facts: ConfigFacts) -> Iterator[Finding]:
    """faster_rcnn_meta_arch.py lists proposals whose number of columns TensorFlow 2 no longer knows."""
    here = f"{facts.model_path}.hard_example_miner"
    if facts.meta_architecture == "faster_rcnn" and facts.model.HasField("hard_example_miner"):
        yield report_error(f"{here}: the API's mining of proposals fails on TensorFlow 2", f"--set {here}=")


def check_flags(facts: ConfigFacts) -> Iterator[Finding]:
    """Those that are refused when the model is built, or with which the first evaluation fails."""
    for name, consequence in _UNUSABLE_FLAGS.get(facts.meta_architecture, {}).items():
        here = f"{facts.model_path}.{name}"
        if getattr(facts.model, name):
            yield report_error(f"{here} is true, {consequence}", f"--set {here}=false")


def check_depthwise(facts: ConfigFacts) -> Iterator[Finding]:
    """predictors/heads/keras_box_head.py and keras_class_head.py."""
    if facts.meta_architecture != "ssd":
        return
    for kind in ("convolutional_box_predictor", "weight_shared_convolutional_box_predictor"):
        predictor = getattr(facts.model.box_predictor, kind)
        here = f"{facts.model_path}.box_predictor.{kind}"
        if facts.model.box_predictor.HasField(kind) and predictor.use_depthwise and predictor.kernel_size == 1:
            yield report_error(
                f"{here}: use_depthwise cannot be used with a kernel_size of 1", f"--set {here}.kernel_size=3"
            )


def check_box_code(facts: ConfigFacts) -> Iterator[Finding]:
    """box_coders/*.py; the first loss says that dimensions must be equal, or that there are no keypoints."""
    if facts.meta_architecture != "ssd":
        return
    coder, predictor = facts.model.box_coder, facts.model.box_predictor
    kind, head = coder.WhichOneof("box_coder_oneof"), predictor.WhichOneof("box_predictor_oneof")
    if kind == "keypoint_box_coder":
        here = f"{facts.model_path}.box_coder"
        yield report_error(
            f"{here} is a keypoint_box_coder, but an SSD gives it no keypoints",
            f"--set {here}.faster_rcnn_box_coder={{}}",
        )
        return
    size = _SQUARE_CODE if kind == "square_box_coder" else _BOX_CODE
    head_size = getattr(getattr(predictor, head), "box_code_size", size) if head else size
    if head_size != size:
        here = f"{facts.model_path}.box_predictor.{head}.box_code_size"
        yield report_error(
            f"{here} is {head_size}, but a {kind} has {size} numbers a box",
            f"--set {here}={size}, or use a faster_rcnn_box_coder.",
        )


def check_calibration(facts: ConfigFacts) -> Iterator[Finding]:
    """builders/calibration_builder.py knows no others."""
    stage = "second_stage_post_processing" if facts.meta_architecture == "faster_rcnn" else "post_processing"
    calibration = getattr(facts.model, stage).calibration_config
    here, kind = f"{facts.model_path}.{stage}.calibration_config", calibration.WhichOneof("calibrator")
    if getattr(facts.model, stage).HasField("calibration_config") and kind not in _CALIBRATORS:
        yield report_error(
            f"{here} {f'is {kind}, which the API cannot build' if kind else 'names no calibration'}",
            f"--set {here}=. Or use {' or '.join(_CALIBRATORS)}.",
        )
    if kind == "temperature_scaling_calibration" and calibration.temperature_scaling_calibration.scaler <= 0:
        scaler = f"{here}.{kind}.scaler"
        yield report_error(f"{scaler} is {getattr(calibration, kind).scaler:g}", "Set a number above 0.")


def check_localization_loss(facts: ConfigFacts) -> Iterator[Finding]:
    """core/losses.py: L1LocalizationLoss weights numbers, not boxes, as CenterNet has it."""
    if facts.meta_architecture != "ssd" or not facts.model.loss.localization_loss.HasField("l1_localization_loss"):
        return
    here = f"{facts.model_path}.loss.localization_loss"
    yield report_error(
        f"{here} is l1_localization_loss, with which the API cannot train an SSD",
        f"--set {here}.weighted_smooth_l1={{}}",
    )


def check_shared_weights(facts: ConfigFacts) -> Iterator[Finding]:
    """predictors/convolutional_keras_box_predictor.py: weights that feature maps share predict one number of boxes."""
    if facts.meta_architecture != "ssd" or facts.model.anchor_generator.WhichOneof(_ANCHORS) != "ssd_anchor_generator":
        return
    anchors, here = facts.model.anchor_generator.ssd_anchor_generator, f"{facts.model_path}.anchor_generator"
    shared = facts.model.box_predictor.HasField("weight_shared_convolutional_box_predictor")
    if shared and anchors.reduce_boxes_in_lowest_layer and anchors.num_layers > 1:
        counts = len(anchors.aspect_ratios) + (anchors.interpolated_scale_aspect_ratio > 0)
        if counts != _REDUCED_BOXES:
            yield report_error(
                f"{here}.ssd_anchor_generator.reduce_boxes_in_lowest_layer is true, as by default: {_REDUCED_BOXES} "
                f"anchors a place in the first feature map and {counts} in the others, but a "
                "weight_shared_convolutional_box_predictor needs as many in each",
                f"--set {here}.ssd_anchor_generator.reduce_boxes_in_lowest_layer=false",
            )


def check_combined_suppression(facts: ConfigFacts) -> Iterator[Finding]:
    """core/post_processing.py refuses them when it is first called."""
    if facts.meta_architecture == "center_net":
        return
    here, suppression = facts.suppression
    if suppression.use_combined_nms:
        if facts.meta_architecture == "faster_rcnn":
            obstacle = "a second stage, whose number of proposals differs by image"
        elif suppression.use_class_agnostic_nms:
            obstacle = "use_class_agnostic_nms"
        elif suppression.change_coordinate_frame:
            obstacle = "change_coordinate_frame, which is true by default"
        else:
            obstacle = "soft_nms_sigma" if suppression.soft_nms_sigma else ""
        if obstacle:
            yield report_error(
                f"{here}.use_combined_nms cannot be used together with {obstacle}",
                f"--set {here}.use_combined_nms=false",
            )
    if suppression.use_static_shapes and suppression.soft_nms_sigma:
        yield report_error(
            f"{here}: use_static_shapes cannot be used together with soft_nms_sigma",
            f"--set {here}.use_static_shapes=false",
        )


def check_anchor_coordinates(facts: ConfigFacts) -> Iterator[Finding]:
    """Anchors are compared with boxes: an SSD's in fractions of the image, a Faster R-CNN's in pixels.

    Of the other kind, none matches a box, and nothing is learned.
    """
    if facts.meta_architecture == "ssd":
        kind = facts.model.anchor_generator.WhichOneof(_ANCHORS)
        anchors = getattr(facts.model.anchor_generator, kind) if kind else None
        if not getattr(anchors, "normalize_coordinates", True):
            here = f"{facts.model_path}.anchor_generator.{kind}.normalize_coordinates"
            yield report_error(
                f"{here} is false: anchors in pixels match no box, as an SSD has its boxes in fractions of the image",
                f"--set {here}=true",
            )
    elif facts.meta_architecture == "faster_rcnn":
        yield from _check_proposal_anchors(facts.model.first_stage_anchor_generator, facts)


def _check_proposal_anchors(generator: Any, facts: ConfigFacts) -> Iterator[Finding]:
    """check_anchors tells the same of a multiscale_anchor_generator."""
    here = f"{facts.model_path}.first_stage_anchor_generator"
    if generator.HasField("ssd_anchor_generator"):
        fitting = "multiscale_anchor_generator" if "_fpn_" in facts.model.feature_extractor.type else _GRID
        yield report_error(
            f"{here}.ssd_anchor_generator makes anchors in fractions of the image, but Faster R-CNN has its boxes in "
            "pixels",
            f"Use a {fitting}.",
        )
    flexible = generator.flexible_grid_anchor_generator
    if generator.HasField("flexible_grid_anchor_generator") and flexible.normalize_coordinates:
        yield report_error(
            f"{here}.flexible_grid_anchor_generator.normalize_coordinates is true, by default: Faster R-CNN takes "
            "anchors in pixels",
            f"--set {here}.flexible_grid_anchor_generator.normalize_coordinates=false",
        )


def check_confidences(facts: ConfigFacts) -> Iterator[Finding]:
    """ssd_meta_arch.py pads the confidences with one for the background, or fails."""
    if facts.meta_architecture != "ssd":
        return
    here = f"{facts.model_path}.use_confidences_as_targets"
    if facts.model.use_confidences_as_targets and not facts.model.add_background_class:
        yield report_error(f"{here} cannot be used without add_background_class", f"--set {here}=false")


def check_mask_head(facts: ConfigFacts) -> Iterator[Finding]:
    """The third stage is the masks', and theirs alone (predictors/mask_rcnn_keras_box_predictor.py)."""
    if facts.meta_architecture != "faster_rcnn":
        return
    predictor = facts.model.second_stage_box_predictor.mask_rcnn_box_predictor
    here = f"{facts.model_path}.second_stage_box_predictor.mask_rcnn_box_predictor"
    stages, masks = f"{facts.model_path}.number_of_stages", f"{here}.predict_instance_masks"
    number = facts.model.number_of_stages
    if number == 3 and not predictor.predict_instance_masks:
        yield report_error(
            f"{masks} is false, but number_of_stages is 3", f"--set {masks}=true; or, for boxes alone, {stages}=2"
        )
    if number != 3 and predictor.predict_instance_masks:
        yield report_error(
            f"{masks} is true, but number_of_stages is {number}: the mask head is the third stage, so it would be "
            "neither trained nor used",
            f"--set {stages}=3; or, for boxes alone, {masks}=false",
        )
    if predictor.predict_keypoints:
        yield report_error(
            f"{here}.predict_keypoints is true, but the API has no keypoint head for this model",
            f"--set {here}.predict_keypoints=false; CenterNet predicts keypoints",
        )


def check_mask_features(facts: ConfigFacts) -> Iterator[Finding]:
    """models/faster_rcnn_resnet_v1_fpn_keras_feature_extractor.py makes features of 1x1 of a box, for masks, too.

    keras_mask_head.py stretches them to the grid, where each convolution takes the padding beyond the grid's edge one
    point farther in. The hidden ones come before the stretching with convolve_then_upsample_masks.
    """
    predictor = facts.model.second_stage_box_predictor.mask_rcnn_box_predictor if _predicts_masks(facts) else None
    if predictor is None or "_fpn_" not in facts.model.feature_extractor.type:
        return
    here = f"{facts.model_path}.second_stage_box_predictor.mask_rcnn_box_predictor"
    reach = 2 if predictor.convolve_then_upsample_masks else max(predictor.mask_prediction_num_conv_layers, 1)
    needed = max(predictor.mask_height, predictor.mask_width) // 2
    if reach < needed:
        yield report_warning(
            f"{facts.model_path}.feature_extractor.type is {facts.model.feature_extractor.type}, which gives the mask "
            f"head one vector for each box: of a mask of {predictor.mask_height}x{predictor.mask_width}, all points "
            f"that are more than {reach} from the edge will be alike",
            f"Use a feature extractor without a pyramid, such as faster_rcnn_resnet50_keras; or, for shapes at all, "
            f"--set {here}.mask_prediction_num_conv_layers={needed}"
            + (f" --set {here}.convolve_then_upsample_masks=false" if predictor.convolve_then_upsample_masks else ""),
        )


def _predicts_masks(facts: ConfigFacts) -> bool:
    return facts.meta_architecture == "faster_rcnn" and facts.model.number_of_stages == 3
