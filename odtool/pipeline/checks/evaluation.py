"""Checks of how a model is evaluated: metrics and evaluation sets."""

from __future__ import annotations

from collections.abc import Iterator

from odtool.pipeline.checks.finding import Finding, report_error
from odtool.pipeline.text import heads, spelling
from odtool.pipeline.text.facts import ConfigFacts

METRICS = (
    "coco_detection_metrics",
    "coco_mask_metrics",
    "coco_panoptic_metrics",
    "lvis_mask_metrics",
    "oid_challenge_detection_metrics",
    "oid_challenge_segmentation_metrics",
    "pascal_voc_detection_metrics",
    "weighted_pascal_voc_detection_metrics",
    "precision_at_recall_detection_metrics",
    "pascal_voc_instance_segmentation_metrics",
    "weighted_pascal_voc_instance_segmentation_metrics",
    "oid_V2_detection_metrics",
)
"""Of eval_util.EVAL_METRICS_CLASS_DICT those that need no more than the classes; a test holds it."""
_OF_MASKS = ("mask", "segmentation", "panoptic")
"""Parts of the names of metrics that compare masks."""
KEYPOINT_METRICS = "coco_keypoint_metrics"


def check_metrics(facts: ConfigFacts) -> Iterator[Finding]:
    """eval_util.get_evaluators, after the first evaluation has run the model over all images."""
    for name in facts.message.eval_config.metrics_set:
        if name == KEYPOINT_METRICS:
            yield report_error(
                f"eval_config.metrics_set: {name} needs a class and its keypoints",
                f"Set eval_config.parameterized_metric[0].{name} instead, as the zoo's keypoint models do.",
            )
        elif name not in METRICS:
            message = f"eval_config.metrics_set: the API has no '{name}'"
            yield report_error(message, spelling.suggest_nearest(name, METRICS))
        elif any(part in name for part in _OF_MASKS) and heads.MASKS not in heads.find_learned(facts):
            yield report_error(
                f"eval_config.metrics_set: {name} compares masks, and this model predicts none",
                "--set 'eval_config.metrics_set=[\"coco_detection_metrics\"]'",
            )


def check_evaluation_sets(facts: ConfigFacts) -> Iterator[Finding]:
    """The API writes the events of a set under its name."""
    names = [reader.name for reader in facts.message.eval_input_reader]
    for index, name in enumerate(names):
        if name and name in names[:index]:
            yield report_error(
                f"eval_input_reader[{index}].name: '{name}' is also the name of [{names.index(name)}], so their "
                "metrics would be mixed in one event file",
                f"--set eval_input_reader[{index}].name=ANOTHER",
            )
