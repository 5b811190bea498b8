"""A config fitted to a prepared data set: classes, paths, evaluation and the limits on objects an image."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from odtool.dataset import label_map
from odtool.dataset.statistics import DatasetSummary
from odtool.errors import ConfigError
from odtool.pipeline import record_patterns
from odtool.pipeline.configure.fit_heads import fit_heads
from odtool.pipeline.text.draft import ConfigDraft
from odtool.workspace import Dataset

_SCORED = 100
"""Detections of a class in an image that COCO's metrics count (maxDets of pycocotools' COCOeval)."""
_SHUFFLE_BYTES = 256 * 2**20
"""Most memory for the shuffle buffer, which holds encoded images."""

_SOURCE_FIELDS = (
    "label_map_path",
    "tf_record_input_reader",
    "external_input_reader",
    "sample_from_datasets_weights",
    "shuffle",
    "num_epochs",
)


def fit_dataset(draft: ConfigDraft, dataset: Dataset, summary: DatasetSummary) -> None:
    """Fills in everything that the data set decides.

    Raises:
        ConfigError: the data set has nothing to train or to evaluate on.
    """
    evaluation = choose_evaluation_split(dataset, summary)
    fit_heads(draft, masks=summary.masks, keypoints=summary.keypoints > 0)
    _set_classes(draft, dataset, summary.classes.values())
    _set_readers(draft, dataset, summary, evaluation)
    _set_evaluation(draft, summary.splits[evaluation].images, evaluation)
    _set_limits(draft, max(split.max_objects for split in summary.splits.values()))
    _bound_shuffling(draft, summary)
    if draft.message.train_config.use_bfloat16:
        draft.message.train_config.use_bfloat16 = False
        draft.give_reason("bfloat16 is for TPUs", "train_config.use_bfloat16")


def choose_evaluation_split(dataset: Dataset, summary: DatasetSummary) -> str:
    """'val', or 'test' where the data set has no validation split.

    Raises:
        ConfigError: it has neither, or nothing to train on.
    """
    filled = [name for name, split in summary.splits.items() if split.images]
    if "train" not in filled:
        raise ConfigError(f"{dataset.summary}: no images to train on", "Prepare it with a train split: odtool prepare")
    for name in ("val", "test"):
        if name in filled:
            return name
    raise ConfigError(
        f"{dataset.summary}: no images to evaluate with, neither val nor test",
        "Prepare it with a validation split: odtool prepare SOURCE --val 0.1",
    )


def _set_classes(draft: ConfigDraft, dataset: Dataset, ids: Collection[int]) -> None:
    facts = draft.facts
    facts.model.num_classes = max(ids)
    gaps = label_map.describe_gaps(ids)
    reason = f"the largest id in {dataset.label_map}" if gaps else f"classes in {dataset.label_map}"
    draft.give_reason(reason, f"{facts.model_path}.num_classes")
    if gaps:
        draft.notes.append(
            f"{dataset.label_map} has {len(ids)} classes with ids up to {max(ids)}, so num_classes is {max(ids)}; "
            f"no class has the ids {gaps}"
        )


def _set_readers(draft: ConfigDraft, dataset: Dataset, summary: DatasetSummary, evaluation: str) -> None:
    message = draft.message
    if not message.eval_input_reader:
        message.eval_input_reader.add(shuffle=False, num_epochs=1)
    _set_reader(message.train_input_reader, dataset, "train", summary.splits["train"].shards)
    draft.give_reason(f"the records in {dataset.path}", *(f"train_input_reader.{field}" for field in _SOURCE_FIELDS))
    _set_reader(message.eval_input_reader[0], dataset, evaluation, summary.splits[evaluation].shards)
    draft.give_reason(f"the records in {dataset.path}", *(f"eval_input_reader[0].{field}" for field in _SOURCE_FIELDS))
    _drop_absent(draft)
    for index, reader in enumerate(message.eval_input_reader):
        path = f"eval_input_reader[{index}]"
        if reader.shuffle or reader.num_epochs != 1:
            reader.shuffle, reader.num_epochs = False, 1
            draft.give_reason("evaluation reads each image once, in order", f"{path}.shuffle", f"{path}.num_epochs")
        if message.eval_config.batch_size > 1 and reader.drop_remainder:
            reader.drop_remainder = False
            draft.give_reason("evaluation would skip the last batch", f"{path}.drop_remainder")


def _drop_absent(draft: ConfigDraft) -> None:
    """Removes the evaluation sets after the first whose files do not exist; the user's others stay."""
    evaluation = draft.facts.readers[1:]
    for index in reversed(range(1, len(evaluation))):
        reader = evaluation[index]
        if not reader.files or reader.label_map is None or not reader.label_map.is_file():
            patterns = list(reader.message.tf_record_input_reader.input_path)
            draft.notes.append(f"{reader.path} is removed: no records or no label map at {patterns}")
            del draft.message.eval_input_reader[index]
            draft.give_reason("its files do not exist", reader.path)


def _set_reader(reader: Any, dataset: Dataset, split: str, shards: int) -> None:
    reader.label_map_path = str(dataset.label_map.absolute())
    reader.tf_record_input_reader.input_path[:] = [record_patterns.build_pattern(dataset.path, split, shards)]
    if len(reader.sample_from_datasets_weights) > 1:  # weights of data sets that are no longer read
        reader.ClearField("sample_from_datasets_weights")


def _set_evaluation(draft: ConfigDraft, images: int, split: str) -> None:
    evaluation = draft.message.eval_config
    evaluation.num_examples = images
    draft.give_reason(f"images in the {split} split", "eval_config.num_examples")
    if "coco_detection_metrics" not in evaluation.metrics_set:
        evaluation.metrics_set.append("coco_detection_metrics")
        draft.give_reason("the best checkpoint is chosen by COCO's metrics", "eval_config.metrics_set")
    evaluation.include_metrics_per_category = True
    draft.give_reason("AP of each class", "eval_config.include_metrics_per_category")
    if evaluation.use_moving_averages and not draft.message.train_config.optimizer.use_moving_average:
        evaluation.use_moving_averages = False
        draft.give_reason("training keeps no moving averages to evaluate", "eval_config.use_moving_averages")


def _set_limits(draft: ConfigDraft, most: int) -> None:
    """Lets the most crowded image through: ground truth, non-maximum suppression and proposals."""
    reason = f"the most crowded image has {most} objects"
    if most > _SCORED:
        draft.notes.append(
            f"{reason}; COCO's metrics count only the {_SCORED} highest-scoring detections of a class in an image"
        )
    facts = draft.facts
    padded = [("train_config", draft.message.train_config)]
    padded += [(reader.path, reader.message) for reader in facts.readers]
    for path, owner in padded:
        _raise_limit(draft, owner, "max_number_of_boxes", most, path, reason)
    if facts.meta_architecture == "center_net":
        owner, path = facts.model.object_center_params, f"{facts.model_path}.object_center_params"
        _raise_limit(draft, owner, "max_box_predictions", most, path, reason)
        return
    path, suppression = facts.suppression
    _raise_limit(draft, suppression, "max_detections_per_class", most, path, reason)
    # The API wants the total to be no less than the number for one class.
    _raise_limit(draft, suppression, "max_total_detections", suppression.max_detections_per_class, path, reason)
    if facts.meta_architecture == "faster_rcnn":
        _raise_limit(draft, facts.model, "first_stage_max_proposals", most, facts.model_path, reason)


def _raise_limit(draft: ConfigDraft, owner: Any, field: str, least: int, path: str, reason: str) -> None:
    if getattr(owner, field) < least:
        setattr(owner, field, least)
        draft.give_reason(reason, f"{path}.{field}")


def _bound_shuffling(draft: ConfigDraft, summary: DatasetSummary) -> None:
    reader, split = draft.message.train_input_reader, summary.splits["train"]
    average = max(split.bytes // split.records, 1)
    most = max(_SHUFFLE_BYTES // average, 32)
    if reader.shuffle and min(reader.shuffle_buffer_size, split.records) > most:
        reader.shuffle_buffer_size = most
        reason = f"{most} records of {average:,} bytes fill the {_SHUFFLE_BYTES // 2**20} MiB allowed for shuffling"
        draft.give_reason(reason, "train_input_reader.shuffle_buffer_size")
