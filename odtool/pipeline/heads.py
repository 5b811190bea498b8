"""Heads that predict more than boxes, taken off a model whose data has boxes only."""

from __future__ import annotations

from typing import Any

from odtool.pipeline import config
from odtool.pipeline.diff import Draft

_MASK_FIELDS = (
    "predict_instance_masks",
    "mask_height",
    "mask_width",
    "mask_prediction_conv_depth",
    "mask_prediction_num_conv_layers",
    "masks_are_class_agnostic",
    "convolve_then_upsample_masks",
)
_CENTER_NET_TASKS = {
    "keypoint_estimation_task": "key points",
    "keypoint_label_map_path": "key points",
    "mask_estimation_task": "masks",
    "deepmac_mask_estimation": "masks",
    "densepose_estimation_task": "DensePose points",
    "track_estimation_task": "tracks",
    "temporal_offset_task": "tracks",
}
_READER_FIELDS = (
    "load_instance_masks",
    "mask_type",
    "num_keypoints",
    "keypoint_type_weight",
    "use_keypoint_label_map",
    "load_keypoint_depth_features",
    "load_dense_pose",
    "load_track_id",
)


def keep_boxes_only(draft: Draft) -> None:
    """Removes what would need masks, key points or tracks in the records.

    The API fails on a mask or key point head whose annotations are missing, after minutes of start-up. What is left
    is the same detector of boxes, and the checkpoint's backbone still fits it.
    """
    name = config.architecture(draft.config)
    removed = _from_center_net(draft) if name == "center_net" else _from_mask_rcnn(draft) if name == "mask_rcnn" else []
    _from_evaluation(draft)
    _from_readers(draft)
    _from_augmentation(draft)
    if removed:
        what = " and ".join(dict.fromkeys(removed))
        draft.notes.append(f"the records have boxes only: the model learns boxes, its head for {what} is taken off")


def _from_mask_rcnn(draft: Draft) -> list[str]:
    model = draft.message.model.faster_rcnn
    model.number_of_stages = 2
    predictor = model.second_stage_box_predictor.mask_rcnn_box_predictor
    _clear(predictor, _MASK_FIELDS)
    path = "model.faster_rcnn"
    draft.because(
        "no masks in the records",
        f"{path}.number_of_stages",
        f"{path}.second_stage_box_predictor.mask_rcnn_box_predictor",
    )
    return ["masks"]


def _from_center_net(draft: Draft) -> list[str]:
    model = draft.message.model.center_net
    present = {found.name for found, _ in model.ListFields()} & _CENTER_NET_TASKS.keys()
    for task in present:
        model.ClearField(task)
        draft.because(f"no {_CENTER_NET_TASKS[task]} in the records", f"model.center_net.{task}")
    return [what for task, what in _CENTER_NET_TASKS.items() if task in present]


def _from_evaluation(draft: Draft) -> None:
    evaluation = draft.message.eval_config
    kept = [name for name in evaluation.metrics_set if "mask" not in name and "keypoint" not in name]
    evaluation.metrics_set[:] = kept
    _clear(evaluation, ("eval_instance_masks", "parameterized_metric", "keypoint_edge"))
    fields = ("metrics_set", "eval_instance_masks", "parameterized_metric", "keypoint_edge")
    draft.because("the records have boxes only", *(f"eval_config.{field}" for field in fields))


def _from_readers(draft: Draft) -> None:
    paths = [
        "train_input_reader",
        *(f"eval_input_reader[{index}]" for index in range(len(draft.message.eval_input_reader))),
    ]
    for path, reader in zip(paths, config.readers(draft.config), strict=True):
        for field in _READER_FIELDS:
            reader.ClearField(field)
            draft.because("the records have boxes only", f"{path}.{field}")


def _from_augmentation(draft: Draft) -> None:
    for index, step in enumerate(draft.message.train_config.data_augmentation_options):
        name = step.WhichOneof("preprocessing_step")
        chosen = getattr(step, name) if name else None
        if chosen is not None and "keypoint_flip_permutation" in chosen.DESCRIPTOR.fields_by_name:
            chosen.ClearField("keypoint_flip_permutation")
            path = f"train_config.data_augmentation_options[{index}].{name}"
            draft.because("no key points in the records", f"{path}.keypoint_flip_permutation")


def _clear(message: Any, names: tuple[str, ...]) -> None:
    for name in names:
        message.ClearField(name)
