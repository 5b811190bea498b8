"""Checks of CenterNet's tasks: what the API cannot build, or fails on in the first step or the first evaluation.

Each was tried by scripts/try_settings.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from odtool import state_files
from odtool.dataset import label_map
from odtool.errors import DataError
from odtool.pipeline import addresses
from odtool.pipeline.checks.finding import Finding, convert_error, report_error
from odtool.pipeline.text import messages
from odtool.pipeline.text.facts import ConfigFacts

_CLASSIFICATION, _LOCALIZATION = "classification_loss", "localization_loss"
_LOSSES: Mapping[str, tuple[str, ...]] = {
    "object_center_params": (_CLASSIFICATION,),
    "object_detection_task": (_LOCALIZATION,),
    "keypoint_estimation_task": (f"loss.{_CLASSIFICATION}", f"loss.{_LOCALIZATION}"),
    "mask_estimation_task": (_CLASSIFICATION,),
    "densepose_estimation_task": (f"loss.{_CLASSIFICATION}", f"loss.{_LOCALIZATION}"),
    "track_estimation_task": (_CLASSIFICATION,),
    "temporal_offset_task": (_LOCALIZATION,),
}
"""Losses of each task (builders/model_builder.py); of one that is not named, it says 'Empty loss config'."""
_UNFITTING: Mapping[str, tuple[str, ...]] = {
    "object_detection_task": ("weighted_smooth_l1", "weighted_iou", "weighted_giou"),
    "keypoint_estimation_task": (
        "weighted_smooth_l1",
        "weighted_iou",
        "weighted_giou",
        "weighted_softmax",
        "weighted_logits_softmax",
        "weighted_dice_classification_loss",
    ),
}
"""Losses whose shape is another than that of the task's weights; weighted_iou first fails in the evaluation."""
_UNKNOWN_GROUNDTRUTH = {
    "densepose_estimation_task": "points of DensePose",
    "track_estimation_task": "tracks",
    "temporal_offset_task": "offsets between frames",
}
"""Tasks whose annotations no record of odtool prepare holds."""
_LARGEST_MAP = 1 << 26
"""Bytes, as label_map.py has it."""


def check_task_losses(facts: ConfigFacts) -> Iterator[Finding]:
    """builders/losses_builder.py."""
    if facts.meta_architecture != "center_net":
        return
    for path, task, kind in _list_tasks(facts):
        for field in _LOSSES[kind]:
            loss = task
            for name in field.split("."):
                loss = getattr(loss, name)
            name = loss.WhichOneof(field.rpartition(".")[2])
            if name is None:
                yield report_error(
                    f"{path}.{field} names no loss", "Copy the task from a CenterNet model of the zoo: odtool models"
                )
            elif name in _UNFITTING.get(kind, ()):
                fitting = "l1_localization_loss" if _LOCALIZATION in field else "penalty_reduced_logistic_focal_loss"
                yield report_error(
                    f"{path}.{field} is {name}, with which the API cannot train this task",
                    f"Use {fitting}, as the zoo's models do.",
                )


def check_center_suppression(facts: ConfigFacts) -> Iterator[Finding]:
    """center_net_meta_arch.py gives no window to bring boxes into another frame: the first evaluation fails."""
    if facts.meta_architecture != "center_net" or not facts.model.HasField("post_processing"):
        return
    here = f"{facts.model_path}.post_processing.batch_non_max_suppression.change_coordinate_frame"
    if facts.model.post_processing.batch_non_max_suppression.change_coordinate_frame:
        yield report_error(f"{here} is true, by default, which the API cannot do for CenterNet", f"--set {here}=false")


def check_labeled_classes(facts: ConfigFacts) -> Iterator[Finding]:
    """center_net_meta_arch.py takes from the records which classes were looked for in an image; prepare writes none."""
    if facts.meta_architecture != "center_net" or not facts.readers[0].prepared:
        return
    here = f"{facts.model_path}.object_center_params.use_labeled_classes"
    if facts.model.object_center_params.use_labeled_classes:
        yield report_error(
            f"{here} is true, but the records do not say which classes were looked for", f"--set {here}=false"
        )


def check_deepmac(facts: ConfigFacts) -> Iterator[Finding]:
    """deepmac_meta_arch.py converts colours with tensorflow-io in every step, whatever their loss weighs."""
    if facts.meta_architecture == "center_net" and facts.model.HasField("deepmac_mask_estimation"):
        here = f"{facts.model_path}.deepmac_mask_estimation"
        yield report_error(
            f"{here}: DeepMAC needs tensorflow-io, which has no release for this TensorFlow",
            f"--set {here}=. For masks, use mask_estimation_task or a Mask R-CNN.",
        )


def check_mask_reader(facts: ConfigFacts) -> Iterator[Finding]:
    """center_net_meta_arch.py asks for masks in each step, and again for the loss of an evaluation."""
    if facts.meta_architecture != "center_net" or not facts.model.HasField("mask_estimation_task"):
        return
    for reader in facts.readers:
        if not reader.message.load_instance_masks:
            yield report_error(
                f"{facts.model_path}.mask_estimation_task is trained with masks, but {reader.path} does not load them",
                f"--set {reader.path}.load_instance_masks=true --set {reader.path}.mask_type=PNG_MASKS",
            )


def check_prepared_tasks(facts: ConfigFacts) -> Iterator[Finding]:
    """The first step fails on the missing groundtruth."""
    if facts.meta_architecture != "center_net" or not facts.readers[0].prepared:
        return
    for name, groundtruth in _UNKNOWN_GROUNDTRUTH.items():
        if facts.model.HasField(name):
            here = f"{facts.model_path}.{name}"
            yield report_error(f"{here}: the records hold no {groundtruth}", f"--set {here}=")


def check_keypoint_tasks(facts: ConfigFacts) -> Iterator[Finding]:
    """model_builder.py looks up each task's class among those with keypoints in a label map of its own."""
    if facts.meta_architecture != "center_net" or not facts.model.keypoint_estimation_task:
        return
    if any(not summary.keypoints for _, summary in facts.readers[0].prepared):
        return  # check_annotations says so
    field = f"{facts.model_path}.keypoint_label_map_path"
    address = facts.model.keypoint_label_map_path
    if not address:
        yield report_error(f"{field} is not set", "Name a label map whose classes list their keypoints.")
        return
    if addresses.is_remote(address):
        return  # the engine reads it
    try:
        indices = _read_keypoints(Path(address))
    except DataError as error:
        yield convert_error("classes", error, field)
        return
    yield from _check_keypoint_classes(facts, indices, address)
    yield from _check_depths(facts)


def _check_keypoint_classes(
    facts: ConfigFacts, indices: Mapping[str, tuple[int, ...]], address: str
) -> Iterator[Finding]:
    tasks = facts.model.keypoint_estimation_task
    here = f"{facts.model_path}.keypoint_estimation_task"
    for index, task in enumerate(tasks):
        if not indices.get(task.keypoint_class_name):
            known = [name for name, keypoints in indices.items() if keypoints]
            yield report_error(
                f"{here}[{index}].keypoint_class_name: {address} has no keypoints for '{task.keypoint_class_name}'",
                f"It has them for {', '.join(known[:10])}."
                if known
                else "Write them into its item: keypoints { id: 0 label: 'nose' }",
            )
    classes = Counter(task.keypoint_class_name for task in tasks)
    for name, count in classes.items():
        if count > 1:
            yield report_error(f"{here}: {count} tasks are for the class '{name}'", "Keep one task a class.")
    uses = Counter(index for name in classes for index in indices.get(name, ()))
    if repeated := [str(index) for index, count in uses.items() if count > 1]:
        yield report_error(
            f"{here}: {address} gives the keypoint ids {', '.join(repeated[:10])} more than once to the tasks' classes",
            "Number the keypoints of all classes in one row, from 0.",
        )


def _check_depths(facts: ConfigFacts) -> Iterator[Finding]:
    """A record's image/object/keypoint/z, which odtool prepare does not write."""
    reader = facts.readers[0]
    for index, task in enumerate(facts.model.keypoint_estimation_task):
        if task.predict_depth and (reader.prepared or not reader.message.load_keypoint_depth_features):
            here = f"{facts.model_path}.keypoint_estimation_task[{index}].predict_depth"
            where = "the records hold no depths" if reader.prepared else f"{reader.path} does not load depths"
            yield report_error(f"{here} is true, but {where}", f"--set {here}=false")


def _read_keypoints(path: Path) -> dict[str, tuple[int, ...]]:
    """Ids of the keypoints by class name.

    Raises:
        DataError: the file is missing, or is not a label map.
    """
    from google.protobuf import text_format

    label_map.load(path)  # which tells what is wrong with it by its line
    text = state_files.read_bytes(path, largest=_LARGEST_MAP).decode("utf-8-sig")
    message: Any = messages.messages("string_int_label_map").StringIntLabelMap()
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        raise DataError(f"{path}: broken label map: {error}", "Correct that line.") from None
    return {item.name: tuple(point.id for point in item.keypoints) for item in message.item}


def _list_tasks(facts: ConfigFacts) -> Iterator[tuple[str, Any, str]]:
    """Those that the config has: path, message and name of the field."""
    for name in _LOSSES:
        value = getattr(facts.model, name)
        if messages.is_repeated(facts.model.DESCRIPTOR.fields_by_name[name]):
            for index, task in enumerate(value):
                yield f"{facts.model_path}.{name}[{index}]", task, name
        elif facts.model.HasField(name):
            yield f"{facts.model_path}.{name}", value, name
