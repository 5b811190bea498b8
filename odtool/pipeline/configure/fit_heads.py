"""Removes heads that predict more than boxes where the records do not hold the annotations to train them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from odtool.pipeline.text.draft import ConfigDraft
from odtool.pipeline.text.heads import CENTER_NET_TASKS, KEYPOINTS, MASKS

_MASK_FIELDS = (
    "predict_instance_masks",
    "mask_height",
    "mask_width",
    "mask_prediction_conv_depth",
    "mask_prediction_num_conv_layers",
    "masks_are_class_agnostic",
    "convolve_then_upsample_masks",
)
_MASK_READER_FIELDS = ("load_instance_masks", "mask_type")
_OTHER_READER_FIELDS = (
    "num_keypoints",
    "keypoint_type_weight",
    "use_keypoint_label_map",
    "load_keypoint_depth_features",
    "load_dense_pose",
    "load_track_id",
)


def fit_heads(draft: ConfigDraft, *, masks: bool, keypoints: bool = False) -> None:
    """Removes what would need keypoints or tracks in the records, and where these hold none, masks.

    Keypoint heads are removed even where the records hold keypoints: odtool cannot know their names and label map.

    The API fails on a mask or keypoint head whose annotations are missing, after minutes of start-up. What is left
    is the same detector, and the checkpoint's backbone still fits it.

    Args:
        masks: whether the records hold instance masks, as PNGs.
        keypoints: whether they hold keypoints, which is only noted.
    """
    architecture = draft.facts.architecture
    removed: list[str] = []
    no_keypoints = "odtool configure does not set up keypoint heads" if keypoints else "no keypoints in the records"
    if architecture == "center_net":
        reasons = {KEYPOINTS: no_keypoints, MASKS: "no masks in the records"}
        removed = _remove_from_center_net(draft, reasons, masks=masks)
    elif architecture == "mask_rcnn" and not masks:
        removed = _remove_from_mask_rcnn(draft)
    predicts_masks = _predicts_masks(draft)
    _fit_evaluation(draft, masks=masks and predicts_masks)
    _fit_readers(draft, masks=masks and predicts_masks)
    _fit_augmentation(draft, no_keypoints)
    _note_removed(draft, removed, keypoints=keypoints)
    if masks and not predicts_masks:
        draft.notes.append("the records hold masks, which this model does not predict; Mask R-CNN does")


def _note_removed(draft: ConfigDraft, removed: list[str], *, keypoints: bool) -> None:
    unlabelled = [kind for kind in dict.fromkeys(removed) if not (keypoints and kind == KEYPOINTS)]
    if unlabelled:
        kinds = " and ".join(unlabelled)
        draft.notes.append(f"the records have no {kinds}: the model's head for {kinds} is removed")
    if keypoints and KEYPOINTS in removed:
        draft.notes.append(
            "the model's head for keypoints is removed: odtool configure does not set up keypoint heads. To train one "
            "on the records' keypoints, write train/<run>/pipeline.config by hand"
        )


def _predicts_masks(draft: ConfigDraft) -> bool:
    facts = draft.facts
    if facts.architecture == "center_net":
        return any(facts.model.HasField(task) for task, kind in CENTER_NET_TASKS.items() if kind == MASKS)
    return facts.architecture == "mask_rcnn"


def _remove_from_mask_rcnn(draft: ConfigDraft) -> list[str]:
    model = draft.message.model.faster_rcnn
    model.number_of_stages = 2
    predictor = model.second_stage_box_predictor.mask_rcnn_box_predictor
    _clear(predictor, _MASK_FIELDS)
    path = "model.faster_rcnn"
    draft.give_reason(
        "no masks in the records",
        f"{path}.number_of_stages",
        f"{path}.second_stage_box_predictor.mask_rcnn_box_predictor",
    )
    return [MASKS]


def _remove_from_center_net(draft: ConfigDraft, reasons: Mapping[str, str], *, masks: bool) -> list[str]:
    model = draft.message.model.center_net
    untrainable = {task for task, kind in CENTER_NET_TASKS.items() if not (masks and kind == MASKS)}
    present = {field.name for field, _ in model.ListFields()} & untrainable
    for task in present:
        model.ClearField(task)
        draft.give_reason(reasons[CENTER_NET_TASKS[task]], f"model.center_net.{task}")
    return [kind for task, kind in CENTER_NET_TASKS.items() if task in present]


def _fit_evaluation(draft: ConfigDraft, *, masks: bool) -> None:
    evaluation = draft.message.eval_config
    absent = ("keypoint",) if masks else ("keypoint", "mask")
    evaluation.metrics_set[:] = [name for name in evaluation.metrics_set if not any(kind in name for kind in absent)]
    fields = ["parameterized_metric", "keypoint_edge", *([] if masks else ["eval_instance_masks"])]
    _clear(evaluation, fields)
    draft.give_reason(_list_learned(masks=masks), *(f"eval_config.{field}" for field in ["metrics_set", *fields]))
    if masks:
        evaluation.eval_instance_masks = True
        draft.give_reason("the records hold masks", "eval_config.eval_instance_masks")


def _fit_readers(draft: ConfigDraft, *, masks: bool) -> None:
    fields = [*_OTHER_READER_FIELDS, *([] if masks else _MASK_READER_FIELDS)]
    for path, reader in ((reader.path, reader.message) for reader in draft.facts.readers):
        _clear(reader, fields)
        draft.give_reason(_list_learned(masks=masks), *(f"{path}.{field}" for field in fields))
        if masks:
            reader.load_instance_masks = True
            kinds = reader.DESCRIPTOR.fields_by_name["mask_type"].enum_type
            reader.mask_type = kinds.values_by_name["PNG_MASKS"].number
            draft.give_reason("the records hold masks, as PNGs", *(f"{path}.{field}" for field in _MASK_READER_FIELDS))


def _list_learned(*, masks: bool) -> str:
    return "only boxes and masks are trained" if masks else "only boxes are trained"


def _fit_augmentation(draft: ConfigDraft, reason: str) -> None:
    for index, step in enumerate(draft.message.train_config.data_augmentation_options):
        name = step.WhichOneof("preprocessing_step")
        options = getattr(step, name) if name else None
        if options is not None and "keypoint_flip_permutation" in options.DESCRIPTOR.fields_by_name:
            options.ClearField("keypoint_flip_permutation")
            path = f"train_config.data_augmentation_options[{index}].{name}"
            draft.give_reason(reason, f"{path}.keypoint_flip_permutation")


def _clear(message: Any, names: Iterable[str]) -> None:
    for name in names:
        message.ClearField(name)
