"""Settings of a model and its training that the API refuses, found before anything is built.

Many of them it refuses only when training begins. Each was tried with the API's own builders, which are named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from odtool.errors import ConfigError
from odtool.pipeline.checks import augmentation, input_sizes
from odtool.pipeline.text import config, spelling
from odtool.pipeline.text.config import PipelineConfig

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
_RESTORED = ("classification", "detection", "full")
"""fine_tune_checkpoint_type, the same for all of the API's meta architectures (restore_from_objects)."""
_METRICS = (
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
_KEYPOINT_METRICS = "coco_keypoint_metrics"


def find(loaded: PipelineConfig) -> Iterator[ConfigError]:
    """Every one of them, with the fields and the mend.

    Raises:
        ConfigError: the config has no model that odtool knows.
    """
    name = loaded.message.model.WhichOneof("model")
    model = config.model(loaded)
    for look in (_extractor, _anchors, *_OF_MODEL[name]):
        yield from look(model, f"model.{name}")
    yield from input_sizes.contradictions(loaded)
    yield from augmentation.contradictions(loaded.message.train_config)
    yield from _metrics(loaded.message.eval_config)
    yield from _evaluation_sets(loaded.message.eval_input_reader)
    yield from _restoring(loaded.message.train_config)


def _extractor(model: Any, path: str) -> Iterator[ConfigError]:
    kind, known = model.feature_extractor.type, EXTRACTORS[path.rpartition(".")[2]]
    if kind not in known:
        yield ConfigError(
            f"{path}.feature_extractor.type: the API has no '{kind}' for this model in TensorFlow 2",
            spelling.nearest(kind, known),
        )


def _anchors(model: Any, path: str) -> Iterator[ConfigError]:
    """model_builder.py fails on them with 'filters=0', or with numbers of feature maps."""
    if path == "model.center_net":
        return
    field = "anchor_generator" if path == "model.ssd" else "first_stage_anchor_generator"
    generator = getattr(model, field)
    kind = generator.WhichOneof("anchor_generator_oneof")
    here = f"{path}.{field}.{kind}"
    if kind is None:
        yield ConfigError(f"{path}.{field} names no anchors", "Set one, such as multiscale_anchor_generator.")
    elif kind == "grid_anchor_generator":
        yield from _empty_lists(generator.grid_anchor_generator, here, "scales", "aspect_ratios")
    elif kind == "multiscale_anchor_generator":
        yield from _multiscale_anchors(model, generator.multiscale_anchor_generator, here, path)


def _multiscale_anchors(model: Any, anchors: Any, here: str, path: str) -> Iterator[ConfigError]:
    yield from _empty_lists(anchors, here, "aspect_ratios")
    if anchors.scales_per_octave < 1:
        yield ConfigError(f"{here}.scales_per_octave is {anchors.scales_per_octave}", "Set at least 1.")
    if path == "model.faster_rcnn" and anchors.normalize_coordinates:
        yield ConfigError(
            f"{here}.normalize_coordinates is true, by default: Faster R-CNN takes anchors in pixels",
            f"--set {here}.normalize_coordinates=false",
        )
    pyramid = next((name for name in ("fpn", "bifpn") if _has(model.feature_extractor, name)), None)
    if pyramid is None or f"{pyramid}_keras" not in model.feature_extractor.type:
        return
    levels = getattr(model.feature_extractor, pyramid)
    if levels.min_level > levels.max_level:
        yield ConfigError(
            f"{path}.feature_extractor.{pyramid}: min_level {levels.min_level} is above max_level {levels.max_level}",
            "The zoo's models have levels 3 to 7.",
        )
    for name in ("min_level", "max_level"):
        if getattr(anchors, name) != getattr(levels, name):
            yield ConfigError(
                f"{here}.{name} is {getattr(anchors, name)}, and "
                f"{path}.feature_extractor.{pyramid}.{name} is {getattr(levels, name)}",
                "Each level of features needs its anchors: set both alike.",
            )


def _has(message: Any, name: str) -> bool:
    return name in message.DESCRIPTOR.fields_by_name and bool(message.HasField(name))


def _empty_lists(message: Any, path: str, *names: str) -> Iterator[ConfigError]:
    for name in names:
        if not getattr(message, name):
            yield ConfigError(f"{path}.{name} is empty: there would be no anchors", f"--set '{path}.{name}=[1.0]'")


def _ssd_suppression(model: Any, path: str) -> Iterator[ConfigError]:
    yield from _suppression(model.post_processing, f"{path}.post_processing")


def _rcnn_suppression(model: Any, path: str) -> Iterator[ConfigError]:
    yield from _suppression(model.second_stage_post_processing, f"{path}.second_stage_post_processing")


def _suppression(owner: Any, path: str) -> Iterator[ConfigError]:
    """post_processing_builder.py; no detections at all is what it lets through."""
    chosen, here = owner.batch_non_max_suppression, f"{path}.batch_non_max_suppression"
    for name in ("max_detections_per_class", "max_total_detections"):
        if getattr(chosen, name) < 1:
            yield ConfigError(f"{here}.{name} is {getattr(chosen, name)}: nothing could be detected", "Set at least 1.")
    if chosen.max_detections_per_class > chosen.max_total_detections:
        yield ConfigError(
            f"{here}: max_detections_per_class {chosen.max_detections_per_class} is above "
            f"max_total_detections {chosen.max_total_detections}",
            f"--set {here}.max_total_detections={chosen.max_detections_per_class}",
        )
    yield from _shares(chosen, here, "iou_threshold")
    if chosen.soft_nms_sigma < 0:
        yield ConfigError(f"{here}.soft_nms_sigma is {chosen.soft_nms_sigma:g}", "Set 0 for the usual suppression.")
    if chosen.use_combined_nms and chosen.use_class_agnostic_nms:
        yield ConfigError(f"{here}: use_combined_nms does not go with use_class_agnostic_nms", "Set one to false.")


def _shares(message: Any, path: str, *names: str) -> Iterator[ConfigError]:
    for name in names:
        if not 0 <= getattr(message, name) <= 1:
            yield ConfigError(f"{path}.{name} is {getattr(message, name):g}", "It is a share, from 0 to 1.")


def _proposals(model: Any, path: str) -> Iterator[ConfigError]:
    """model_builder.py and balanced_positive_negative_sampler.py; the first only where it builds for training."""
    if model.second_stage_batch_size > model.first_stage_max_proposals:
        yield ConfigError(
            f"{path}: second_stage_batch_size {model.second_stage_batch_size} is above "
            f"first_stage_max_proposals {model.first_stage_max_proposals}: training takes it from those",
            f"--set {path}.second_stage_batch_size={max(model.first_stage_max_proposals, 1)}",
        )
    if model.number_of_stages not in (1, 2, 3):
        yield ConfigError(f"{path}.number_of_stages is {model.number_of_stages}", "2 detects boxes, 3 masks as well.")
    shares = ("first_stage_nms_iou_threshold", "first_stage_positive_balance_fraction", "second_stage_balance_fraction")
    yield from _shares(model, path, *shares)


def _matching(model: Any, path: str) -> Iterator[ConfigError]:
    """matcher_builder.py and argmax_matcher.py."""
    if model.matcher.WhichOneof("matcher_oneof") == "bipartite_matcher":
        yield ConfigError(f"{path}.matcher: there is no bipartite_matcher in TensorFlow 2", "Use an argmax_matcher.")
        return
    chosen, here = model.matcher.argmax_matcher, f"{path}.matcher.argmax_matcher"
    low, high = chosen.unmatched_threshold, chosen.matched_threshold
    if chosen.ignore_thresholds:
        return
    if low > high:
        yield ConfigError(
            f"{here}: unmatched_threshold {low:g} is above matched_threshold {high:g}",
            f"--set {here}.unmatched_threshold={high:g}",
        )
    if low == high and not chosen.negatives_lower_than_unmatched:
        yield ConfigError(
            f"{here}: with negatives_lower_than_unmatched false, unmatched_threshold must be below matched_threshold",
            f"--set {here}.negatives_lower_than_unmatched=true",
        )


def _losses(model: Any, path: str) -> Iterator[ConfigError]:
    """ssd_meta_arch.py and losses_builder.py."""
    if model.add_background_class and model.explicit_background_class:
        yield ConfigError(
            f"{path}: explicit_background_class is true, and so is add_background_class, by default",
            f"--set {path}.add_background_class=false",
        )
    if model.loss.HasField("hard_example_miner") and model.loss.classification_loss.HasField("weighted_sigmoid_focal"):
        yield ConfigError(
            f"{path}.loss: a hard_example_miner does not go with weighted_sigmoid_focal, which weighs hard examples",
            f"--set {path}.loss.hard_example_miner=",
        )


def _tasks(model: Any, path: str) -> Iterator[ConfigError]:
    """center_net_meta_arch.py: it finds centres, and boxes around them."""
    for name in ("object_center_params", "object_detection_task"):
        if not model.HasField(name):
            yield ConfigError(f"{path}.{name} is missing", "Copy it from a CenterNet of the zoo: odtool models")


_Look = Callable[[Any, str], Iterator[ConfigError]]
_OF_MODEL: dict[str, tuple[_Look, ...]] = {
    "ssd": (_ssd_suppression, _matching, _losses),
    "faster_rcnn": (_proposals, _rcnn_suppression),
    "center_net": (_tasks,),
}


def _metrics(evaluation: Any) -> Iterator[ConfigError]:
    """eval_util.get_evaluators, after the first evaluation has run the model over all images."""
    for name in evaluation.metrics_set:
        if name == _KEYPOINT_METRICS:
            yield ConfigError(
                f"eval_config.metrics_set: {name} needs to be told of a class and its key points",
                f"Set eval_config.parameterized_metric[0].{name} in its place, as the zoo's models of key points do.",
            )
        elif name not in _METRICS:
            yield ConfigError(f"eval_config.metrics_set: the API has no '{name}'", spelling.nearest(name, _METRICS))


def _evaluation_sets(readers: Any) -> Iterator[ConfigError]:
    names = [reader.name for reader in readers]
    for index, name in enumerate(names):
        if name and name in names[:index]:
            yield ConfigError(
                f"eval_input_reader[{index}].name: '{name}' is also the name of [{names.index(name)}]: their events "
                "would be one",
                f"--set eval_input_reader[{index}].name=ANOTHER",
            )


def _restoring(settings: Any) -> Iterator[ConfigError]:
    if settings.load_all_detection_checkpoint_vars:
        yield ConfigError(
            "train_config.load_all_detection_checkpoint_vars: the API refuses it on TensorFlow 2",
            "--set train_config.load_all_detection_checkpoint_vars=false; fine_tune_checkpoint_type full restores all.",
        )
    kind = settings.fine_tune_checkpoint_type
    if settings.fine_tune_checkpoint and kind and kind not in _RESTORED:
        yield ConfigError(
            f"train_config.fine_tune_checkpoint_type: the API has no '{kind}'",
            f"Use detection; known are {', '.join(_RESTORED)}.",
        )
