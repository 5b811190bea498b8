"""Checks of a model's settings that the API cannot build or train, or that make it learn nothing.

Each was tried by scripts/try_settings.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from odtool.pipeline.checks.finding import Finding, report_error, report_warning
from odtool.pipeline.text.facts import ConfigFacts

_PREDICTORS = {
    "ssd": ("box_predictor", ("convolutional_box_predictor", "weight_shared_convolutional_box_predictor")),
    "faster_rcnn": ("second_stage_box_predictor", ("mask_rcnn_box_predictor",)),
}
"""The field of a model's box predictor, and those that fit it (builders/box_predictor_builder.py makes any)."""
_COUNTED_LAYERS = ("ssd_mobilenet_v1_keras", "ssd_mobilenet_v2_keras")
"""Feature extractors that take num_layers; for the others it is an argument that they do not know."""


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
    if facts.meta_architecture != "ssd":
        return
    extractor, here = facts.model.feature_extractor, f"{facts.model_path}.feature_extractor"
    unknown = [name for name in ("replace_preprocessor_with_placeholder", "num_layers") if extractor.HasField(name)]
    if extractor.type in _COUNTED_LAYERS and "num_layers" in unknown:
        unknown.remove("num_layers")
    for name in unknown:
        yield report_error(f"{here}.{name} is set, but {extractor.type} does not take it", f"--set {here}.{name}=")


def check_combined_suppression(facts: ConfigFacts) -> Iterator[Finding]:
    """core/post_processing.py refuses them when it is first called."""
    if facts.meta_architecture == "center_net":
        return
    stage = "post_processing" if facts.meta_architecture == "ssd" else "second_stage_post_processing"
    suppression = getattr(facts.model, stage).batch_non_max_suppression
    here = f"{facts.model_path}.{stage}.batch_non_max_suppression"
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
    """An SSD is trained on boxes in fractions of the image; anchors in pixels match none, and nothing is learned."""
    if facts.meta_architecture != "ssd":
        return
    kind = facts.model.anchor_generator.WhichOneof("anchor_generator_oneof")
    anchors = getattr(facts.model.anchor_generator, kind) if kind else None
    if not getattr(anchors, "normalize_coordinates", True):
        here = f"{facts.model_path}.anchor_generator.{kind}.normalize_coordinates"
        yield report_error(
            f"{here} is false: anchors in pixels match no box, as an SSD has its boxes in fractions of the image",
            f"--set {here}=true",
        )


def check_expected_losses(facts: ConfigFacts) -> Iterator[Finding]:
    """losses_builder.py asks for functions that the API does not have."""
    if facts.meta_architecture != "ssd" or not facts.model.loss.expected_loss_weights:
        return
    here = f"{facts.model_path}.loss.expected_loss_weights"
    yield report_error(f"{here}: the API has only NONE; the others are missing in it", f"--set {here}=NONE")


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
