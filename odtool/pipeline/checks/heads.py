"""Heads that predict more than boxes: what they learn from, and taking them off where the records do not hold it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from odtool.errors import ConfigError
from odtool.pipeline.text import config
from odtool.pipeline.text.config import PipelineConfig
from odtool.pipeline.text.diff import Draft

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
_HINTS: Mapping[str, str] = {
    "masks": "Write them: odtool prepare --masks. Or have their head taken off: odtool configure --pipeline FILE",
    "key points": "Write those of COCO: odtool prepare --keypoints. Or have their head taken off: odtool configure",
}
_MASK_READER_FIELDS = ("load_instance_masks", "mask_type")
_OTHER_READER_FIELDS = (
    "num_keypoints",
    "keypoint_type_weight",
    "use_keypoint_label_map",
    "load_keypoint_depth_features",
    "load_dense_pose",
    "load_track_id",
)


def needed(loaded: PipelineConfig) -> dict[str, str]:
    """'masks' and 'key points' where the model learns them, each with the field that says so."""
    if config.architecture(loaded) == "mask_rcnn":
        return {"masks": "model.faster_rcnn.number_of_stages: 3"}
    if config.architecture(loaded) != "center_net":
        return {}
    chosen = [field.name for field, _ in config.model(loaded).ListFields()]
    return {
        _CENTER_NET_TASKS[name]: f"model.center_net.{name}"
        for name in chosen
        if _CENTER_NET_TASKS.get(name) in _HINTS and name != "keypoint_label_map_path"
    }


def missing(loaded: PipelineConfig, held: Collection[str], where: str) -> Iterator[ConfigError]:
    """An error for each thing that the model learns and the records do not hold; the API fails in the first step.

    Args:
        held: of 'masks' and 'key points' those that the records hold.
        where: the records, to be named.
    """
    for what, field in needed(loaded).items():
        if what not in held:
            yield ConfigError(f"{field} learns {what}, and {where} hold none", _HINTS[what])


def fit(draft: Draft, *, masks: bool, keypoints: bool = False) -> None:
    """Removes what would need key points or tracks in the records, and where these hold none, masks.

    Key points are taken off though the records hold some: their number, names and label map are not odtool's to know.

    The API fails on a mask or key point head whose annotations are missing, after minutes of start-up. What is left
    is the same detector, and the checkpoint's backbone still fits it.

    Args:
        masks: whether the records hold instance masks, as PNGs.
        keypoints: whether they hold key points, which is only told.
    """
    name = config.architecture(draft.config)
    removed: list[str] = []
    no_keypoints = "odtool configure sets up no head for key points" if keypoints else "no key points in the records"
    if name == "center_net":
        removed = _from_center_net(draft, {"key points": no_keypoints, "masks": "no masks in the records"}, masks=masks)
    elif name == "mask_rcnn" and not masks:
        removed = _from_mask_rcnn(draft)
    _from_evaluation(draft, masks=masks and _learns_masks(draft))
    _from_readers(draft, masks=masks and _learns_masks(draft))
    _from_augmentation(draft, no_keypoints)
    kept_in_records = keypoints and "key points" in removed
    if removed := [what for what in removed if not (keypoints and what == "key points")]:
        what = " and ".join(dict.fromkeys(removed))
        draft.notes.append(f"the records have no {what}: the model's head for {what} is taken off")
    if kept_in_records:
        draft.notes.append(
            "the model's head for key points is taken off: odtool configure sets none up. To train one on the records' "
            "key points, write train/<run>/pipeline.config by hand"
        )
    if masks and not _learns_masks(draft):
        draft.notes.append("the records hold masks, which this model does not learn; Mask R-CNN does")


def _learns_masks(draft: Draft) -> bool:
    model = draft.message.model
    if config.architecture(draft.config) == "center_net":
        return any(model.center_net.HasField(task) for task, what in _CENTER_NET_TASKS.items() if what == "masks")
    return config.architecture(draft.config) == "mask_rcnn"


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


def _from_center_net(draft: Draft, reasons: Mapping[str, str], *, masks: bool) -> list[str]:
    model = draft.message.model.center_net
    unlearnt = {task for task, what in _CENTER_NET_TASKS.items() if not (masks and what == "masks")}
    present = {found.name for found, _ in model.ListFields()} & unlearnt
    for task in present:
        model.ClearField(task)
        draft.because(reasons[_CENTER_NET_TASKS[task]], f"model.center_net.{task}")
    return [what for task, what in _CENTER_NET_TASKS.items() if task in present]


def _from_evaluation(draft: Draft, *, masks: bool) -> None:
    evaluation = draft.message.eval_config
    unlearnt = ("keypoint",) if masks else ("keypoint", "mask")
    evaluation.metrics_set[:] = [name for name in evaluation.metrics_set if not any(what in name for what in unlearnt)]
    fields = ["parameterized_metric", "keypoint_edge", *([] if masks else ["eval_instance_masks"])]
    _clear(evaluation, fields)
    draft.because(_learnt(masks=masks), *(f"eval_config.{field}" for field in ["metrics_set", *fields]))
    if masks:
        evaluation.eval_instance_masks = True
        draft.because("the records hold masks", "eval_config.eval_instance_masks")


def _from_readers(draft: Draft, *, masks: bool) -> None:
    paths = [
        "train_input_reader",
        *(f"eval_input_reader[{index}]" for index in range(len(draft.message.eval_input_reader))),
    ]
    fields = [*_OTHER_READER_FIELDS, *([] if masks else _MASK_READER_FIELDS)]
    for path, reader in zip(paths, config.readers(draft.config), strict=True):
        _clear(reader, fields)
        draft.because(_learnt(masks=masks), *(f"{path}.{field}" for field in fields))
        if masks:
            reader.load_instance_masks = True
            kinds = reader.DESCRIPTOR.fields_by_name["mask_type"].enum_type
            reader.mask_type = kinds.values_by_name["PNG_MASKS"].number
            draft.because("the records hold masks, as PNGs", *(f"{path}.{field}" for field in _MASK_READER_FIELDS))


def _learnt(*, masks: bool) -> str:
    return "boxes and masks are what is learnt" if masks else "boxes are what is learnt"


def _from_augmentation(draft: Draft, why: str) -> None:
    for index, step in enumerate(draft.message.train_config.data_augmentation_options):
        name = step.WhichOneof("preprocessing_step")
        chosen = getattr(step, name) if name else None
        if chosen is not None and "keypoint_flip_permutation" in chosen.DESCRIPTOR.fields_by_name:
            chosen.ClearField("keypoint_flip_permutation")
            path = f"train_config.data_augmentation_options[{index}].{name}"
            draft.because(why, f"{path}.keypoint_flip_permutation")


def _clear(message: Any, names: Iterable[str]) -> None:
    for name in names:
        message.ClearField(name)
