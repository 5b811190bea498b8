"""Checks of a model's own settings: what the API refuses, and often only when training begins.

Each was tried with the API's own builders, which are named.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from odtool.pipeline.checks.finding import Finding, report_error
from odtool.pipeline.text import messages, spelling
from odtool.pipeline.text.facts import ConfigFacts

EXTRACTORS = {
    "ssd": (
        "ssd_mobilenet_v1_keras",
        "ssd_mobilenet_v1_fpn_keras",
        "ssd_mobilenet_v2_keras",
        "ssd_mobilenet_v2_fpn_keras",
        *(f"ssd_resnet{depth}_v1_fpn_keras" for depth in (50, 101, 152)),
        *(f"ssd_efficientnet-b{size}_bifpn_keras" for size in range(8)),
    ),
    "faster_rcnn": (
        *(f"faster_rcnn_resnet{depth}_keras" for depth in (50, 101, 152)),
        "faster_rcnn_inception_resnet_v2_keras",
        *(f"faster_rcnn_resnet{depth}_fpn_keras" for depth in (50, 101, 152)),
    ),
    "center_net": (
        *(f"resnet_v2_{depth}" for depth in (50, 101)),
        *(f"resnet_v1_{depth}_fpn" for depth in (18, 34, 50, 101)),
        *(f"hourglass_{depth}" for depth in (10, 20, 32, 52, 104)),
        "mobilenet_v2",
        "mobilenet_v2_fpn",
        "mobilenet_v2_fpn_sep_conv",
    ),
}
"""Feature extractors for TensorFlow 2 by model (builders/model_builder.py); a test holds them against the API's."""
TENSORFLOW_1 = (
    "embedded_ssd_mobilenet_v1",
    "faster_rcnn_inception_v2",
    "faster_rcnn_nas",
    "faster_rcnn_pnas",
    "ssd_inception_v2",
    "ssd_inception_v3",
    *(f"ssd_mobiledet_{target}" for target in ("cpu", "dsp", "edgetpu", "gpu")),
    "ssd_mobilenet_edgetpu",
    "ssd_mobilenet_v1_ppn",
    "ssd_mobilenet_v2_mnasfpn",
    "ssd_mobilenet_v3_large",
    "ssd_mobilenet_v3_small",
    "ssd_pnasnet",
    *(f"ssd_resnet{depth}_v1_ppn" for depth in (50, 101, 152)),
    "ssd_spaghettinet",
)
"""Feature extractors of TensorFlow 1 that have no successor; those that have one are called as it, without _keras."""


def check_extractor(facts: ConfigFacts) -> Iterator[Finding]:
    kind, known = facts.model.feature_extractor.type, EXTRACTORS[facts.meta_architecture]
    field = f"{facts.model_path}.feature_extractor.type"
    if f"{kind}_keras" in known or kind in TENSORFLOW_1:
        successor = f"{kind}_keras" if f"{kind}_keras" in known else ""
        advice = f"Did you mean '{successor}'? Set it" if successor else f"Use one of {', '.join(known[:4])}, …"
        yield report_error(
            f"{field}: the API has no '{kind}' in TensorFlow 2 for this model: the config is written for TensorFlow 1",
            f"{advice}; checkpoints of TensorFlow 1 cannot be restored: see odtool models.",
        )
    elif kind not in known:
        yield report_error(
            f"{field}: the API has no '{kind}' for this model in TensorFlow 2",
            spelling.suggest_nearest(kind, known),
        )


def check_anchors(facts: ConfigFacts) -> Iterator[Finding]:
    """model_builder.py fails on them with 'filters=0', or with numbers of feature maps."""
    if facts.meta_architecture == "center_net":
        return
    field = "anchor_generator" if facts.meta_architecture == "ssd" else "first_stage_anchor_generator"
    generator, path = getattr(facts.model, field), facts.model_path
    kind = generator.WhichOneof("anchor_generator_oneof")
    here = f"{path}.{field}.{kind}"
    if kind is None:
        yield report_error(f"{path}.{field} has no anchor generator", "Set one, such as multiscale_anchor_generator.")
    elif kind == "grid_anchor_generator":
        yield from _check_lists(generator.grid_anchor_generator, here, "scales", "aspect_ratios")
    elif kind == "multiscale_anchor_generator":
        yield from _check_multiscale_anchors(generator.multiscale_anchor_generator, here, facts)


def _check_multiscale_anchors(anchors: Any, here: str, facts: ConfigFacts) -> Iterator[Finding]:
    yield from _check_lists(anchors, here, "aspect_ratios")
    if anchors.scales_per_octave < 1:
        yield report_error(f"{here}.scales_per_octave is {anchors.scales_per_octave}", "Set at least 1.")
    if facts.meta_architecture == "faster_rcnn" and anchors.normalize_coordinates:
        yield report_error(
            f"{here}.normalize_coordinates is true, by default: Faster R-CNN takes anchors in pixels",
            f"--set {here}.normalize_coordinates=false",
        )
    yield from _check_levels(anchors, here, facts)


def _check_levels(anchors: Any, here: str, facts: ConfigFacts) -> Iterator[Finding]:
    """A pyramid's levels of features, and those that have anchors."""
    extractor, path = facts.model.feature_extractor, f"{facts.model_path}.feature_extractor"
    pyramid = next((name for name in ("fpn", "bifpn") if _has(extractor, name)), None)
    if pyramid is None or f"{pyramid}_keras" not in extractor.type:
        return
    levels = getattr(extractor, pyramid)
    if levels.min_level > levels.max_level:
        yield report_error(
            f"{path}.{pyramid}: min_level {levels.min_level} is above max_level {levels.max_level}",
            "The zoo's models have levels 3 to 7.",
        )
    for name in ("min_level", "max_level"):
        if getattr(anchors, name) != getattr(levels, name):
            yield report_error(
                f"{here}.{name} is {getattr(anchors, name)}, but {path}.{pyramid}.{name} is {getattr(levels, name)}",
                "Each level of features needs anchors of its own: set both to the same value.",
            )


def _has(message: Any, name: str) -> bool:
    return name in message.DESCRIPTOR.fields_by_name and bool(message.HasField(name))


def _check_lists(message: Any, path: str, *names: str) -> Iterator[Finding]:
    for name in names:
        if not getattr(message, name):
            yield report_error(f"{path}.{name} is empty: there would be no anchors", f"--set '{path}.{name}=[1.0]'")


def check_suppression(facts: ConfigFacts) -> Iterator[Finding]:
    """post_processing_builder.py; no detections at all is what it lets through."""
    if facts.meta_architecture == "center_net":
        return
    here, suppression = facts.suppression
    for name in ("max_detections_per_class", "max_total_detections"):
        if getattr(suppression, name) < 1:
            yield report_error(
                f"{here}.{name} is {getattr(suppression, name)}: nothing could be detected", "Set at least 1."
            )
    if suppression.max_detections_per_class > suppression.max_total_detections:
        yield report_error(
            f"{here}: max_detections_per_class {suppression.max_detections_per_class} is above "
            f"max_total_detections {suppression.max_total_detections}",
            f"--set {here}.max_total_detections={suppression.max_detections_per_class}",
        )
    yield from _check_fractions(suppression, here, "iou_threshold")
    if suppression.soft_nms_sigma < 0:
        yield report_error(
            f"{here}.soft_nms_sigma is {suppression.soft_nms_sigma:g}", "Set 0 for ordinary non-maximum suppression."
        )


def _check_fractions(message: Any, path: str, *names: str) -> Iterator[Finding]:
    for name in names:
        if not 0 <= getattr(message, name) <= 1:
            yield report_error(f"{path}.{name} is {getattr(message, name):g}", "Set a fraction from 0 to 1.")


def check_proposals(facts: ConfigFacts) -> Iterator[Finding]:
    """model_builder.py and balanced_positive_negative_sampler.py; the first only where it builds for training."""
    if facts.meta_architecture != "faster_rcnn":
        return
    model, path = facts.model, facts.model_path
    if model.second_stage_batch_size > model.first_stage_max_proposals:
        yield report_error(
            f"{path}: second_stage_batch_size {model.second_stage_batch_size} is above "
            f"first_stage_max_proposals {model.first_stage_max_proposals}, from which training samples it",
            f"--set {path}.second_stage_batch_size={max(model.first_stage_max_proposals, 1)}",
        )
    if model.number_of_stages not in (1, 2, 3):
        yield report_error(
            f"{path}.number_of_stages is {model.number_of_stages}", "Set 2 to detect boxes, 3 to detect masks as well."
        )
    fractions = (
        "first_stage_nms_iou_threshold",
        "first_stage_positive_balance_fraction",
        "second_stage_balance_fraction",
    )
    yield from _check_fractions(model, path, *fractions)


def check_matching(facts: ConfigFacts) -> Iterator[Finding]:
    """matcher_builder.py and argmax_matcher.py."""
    if facts.meta_architecture != "ssd":
        return
    model, path = facts.model, facts.model_path
    if model.matcher.WhichOneof("matcher_oneof") == "bipartite_matcher":
        yield report_error(f"{path}.matcher: there is no bipartite_matcher in TensorFlow 2", "Use an argmax_matcher.")
        return
    matcher, here = model.matcher.argmax_matcher, f"{path}.matcher.argmax_matcher"
    low, high = matcher.unmatched_threshold, matcher.matched_threshold
    if matcher.ignore_thresholds:
        return
    if low > high:
        yield report_error(
            f"{here}: unmatched_threshold {low:g} is above matched_threshold {high:g}",
            f"--set {here}.unmatched_threshold={high:g}",
        )
    if low == high and not matcher.negatives_lower_than_unmatched:
        yield report_error(
            f"{here}: with negatives_lower_than_unmatched false, unmatched_threshold must be below matched_threshold",
            f"--set {here}.negatives_lower_than_unmatched=true",
        )


def check_background(facts: ConfigFacts) -> Iterator[Finding]:
    """ssd_meta_arch.py."""
    model, path = facts.model, facts.model_path
    if facts.meta_architecture == "ssd" and model.add_background_class and model.explicit_background_class:
        yield report_error(
            f"{path}: explicit_background_class and add_background_class, its default, are both true",
            f"--set {path}.add_background_class=false",
        )


def check_losses(facts: ConfigFacts) -> Iterator[Finding]:
    """builders/losses_builder.py, which builds those of an SSD and of CenterNet's tasks."""
    for path, loss in messages.find_messages(facts.model, "Loss", facts.model_path):
        if loss.HasField("hard_example_miner") and loss.classification_loss.HasField("weighted_sigmoid_focal"):
            yield report_error(
                f"{path}: a hard_example_miner cannot be used with weighted_sigmoid_focal, which weights hard "
                "examples itself",
                f"--set {path}.hard_example_miner=",
            )
        if loss.expected_loss_weights:  # the functions that it asks for are missing in the API
            yield report_error(
                f"{path}.expected_loss_weights: the API has only NONE; the others are missing in it",
                f"--set {path}.expected_loss_weights=NONE",
            )
        sampler = loss.random_example_sampler
        if loss.HasField("random_example_sampler") and sampler.positive_sample_fraction <= 0:
            yield report_error(
                f"{path}.random_example_sampler.positive_sample_fraction is {sampler.positive_sample_fraction:g}",
                "Set a fraction above 0, such as 0.25.",
            )


def check_tasks(facts: ConfigFacts) -> Iterator[Finding]:
    """center_net_meta_arch.py: it finds centres, and boxes around them."""
    if facts.meta_architecture != "center_net":
        return
    for name in ("object_center_params", "object_detection_task"):
        if not facts.model.HasField(name):
            yield report_error(
                f"{facts.model_path}.{name} is missing", "Copy it from a CenterNet model of the zoo: odtool models"
            )
