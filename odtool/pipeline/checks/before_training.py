"""What must stand before a training starts: records, label map, checkpoint, and a model that fits the classes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odtool.dataset import label_map, statistics
from odtool.dataset.statistics import DatasetSummary
from odtool.errors import ConfigError, DataError
from odtool.pipeline import record_patterns, start_checkpoints
from odtool.pipeline.checks import contradictions, heads, input_sizes
from odtool.pipeline.configure import batch_and_steps, fine_tuning
from odtool.pipeline.text import config
from odtool.pipeline.text.config import PipelineConfig
from odtool.workspace import Dataset


@dataclass(frozen=True)
class Settings:
    """What the rest of the tool asks a run's config for."""

    architecture: str
    num_classes: int
    batch_size: int
    num_steps: int
    label_map: Path
    train_records: tuple[Path, ...]
    """Files that exist, in the order of the config's patterns."""
    eval_records: tuple[Path, ...]
    """Of the first evaluation set."""
    fine_tune_checkpoint: str
    """Checkpoint prefix; empty when training starts from scratch."""
    metrics: tuple[str, ...]


def check_before_training(path: Path) -> Settings:
    """Reads a run's pipeline.config and refuses what would fail after minutes of start-up.

    Raises:
        ConfigError: names the field and the file that is missing or does not fit.
        DataError: the label map cannot be used.
    """
    return check(config.load(path), path)


def check(loaded: PipelineConfig, path: Path) -> Settings:
    """The same for a config in memory; `path` is only named in errors."""
    architecture = config.architecture(loaded, path)
    message = loaded.message
    check_numbers(message, path)
    check_schedule(loaded, path)
    check_contradictions(loaded, path)
    train_records = check_reader(message.train_input_reader, "train_input_reader", path)
    if not message.eval_input_reader:
        raise ConfigError(f"{path}: no eval_input_reader", "Write the config anew: odtool configure")
    eval_records, *_ = [
        check_reader(reader, f"eval_input_reader[{index}]", path)
        for index, reader in enumerate(message.eval_input_reader)
    ]
    check_sizes(loaded, train_records, path)
    check_annotations(loaded, train_records, path)
    check_checkpoint(message.train_config, path)
    check_classes(loaded, path)
    return Settings(
        architecture=architecture,
        num_classes=config.num_classes(loaded),
        batch_size=message.train_config.batch_size,
        num_steps=message.train_config.num_steps,
        label_map=Path(message.train_input_reader.label_map_path),
        train_records=train_records,
        eval_records=eval_records,
        fine_tune_checkpoint=message.train_config.fine_tune_checkpoint,
        metrics=tuple(message.eval_config.metrics_set),
    )


def check_numbers(message: Any, path: Path) -> None:
    for name in ("batch_size", "num_steps"):
        # Upstream documents num_steps: 0 as "for ever", and crashes on it with TensorFlow 2.
        if getattr(message.train_config, name) < 1:
            raise ConfigError(
                f"{path}: train_config.{name} is {getattr(message.train_config, name)}",
                f"Give a number of at least 1: odtool configure --{name.removeprefix('num_').replace('_', '-')} N",
            )
    batch_and_steps.refuse_uncountable(message.train_config.num_steps)


def check_schedule(loaded: PipelineConfig, path: Path) -> None:
    """What learning_schedules.py refuses, but only after the model is built."""
    optimizer = config.optimizer(loaded)
    if optimizer is None or optimizer.learning_rate.WhichOneof("learning_rate") is None:
        raise ConfigError(
            f"{path}: train_config.optimizer names no optimizer with a learning rate",
            "Set one, for example train_config.optimizer.adam_optimizer.learning_rate.constant_learning_rate."
            "learning_rate=0.001",
        )
    kind = optimizer.learning_rate.WhichOneof("learning_rate")
    if kind == "manual_step_learning_rate":
        _check_manual_steps([entry.step for entry in optimizer.learning_rate.manual_step_learning_rate.schedule], path)
    if kind != "cosine_decay_learning_rate":
        return
    schedule = optimizer.learning_rate.cosine_decay_learning_rate
    if schedule.warmup_steps > schedule.total_steps:
        raise ConfigError(
            f"{path}: cosine_decay_learning_rate: {schedule.warmup_steps} warmup_steps of {schedule.total_steps} "
            "total_steps",
            "The warm-up must end before the schedule does.",
        )
    if schedule.warmup_steps and schedule.warmup_learning_rate > schedule.learning_rate_base:
        raise ConfigError(
            f"{path}: cosine_decay_learning_rate: warmup_learning_rate {schedule.warmup_learning_rate:g} is above "
            f"learning_rate_base {schedule.learning_rate_base:g}",
            "The warm-up must not start above the rate that it leads to.",
        )


def _check_manual_steps(steps: list[int], path: Path) -> None:
    if not steps or steps[0] < 1 or steps != sorted(set(steps)):
        raise ConfigError(
            f"{path}: manual_step_learning_rate.schedule: steps {', '.join(map(str, steps)) or 'are missing'}",
            "Give it at least one step; the first above 0, and each above the one before.",
        )


def check_contradictions(loaded: PipelineConfig, path: Path) -> None:
    """The first of what `contradictions.find` finds."""
    for found in contradictions.find(loaded):
        raise ConfigError(f"{path}: {found.message}", found.hint)


def check_sizes(loaded: PipelineConfig, files: Collection[Path], path: Path) -> None:
    """Raises ConfigError where images of several sizes, by prepare's figures, would have to go into one batch."""
    for _, summary in _accounts(files):
        if (split := summary.splits.get("train")) is None:
            continue
        try:
            input_sizes.refuse_unlike(loaded, split.min_size, split.max_size)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error.message}", error.hint) from None


def check_annotations(loaded: PipelineConfig, files: Collection[Path], path: Path) -> None:
    """Raises ConfigError where the model learns what prepare, by its own account, has not written."""
    for dataset, summary in _accounts(files):
        held = [what for what, there in (("masks", summary.masks), ("key points", summary.keypoints)) if there]
        for error in heads.missing(loaded, held, f"the records in {dataset.path}"):
            raise ConfigError(f"{path}: {error.message}", error.hint)


def _accounts(files: Collection[Path]) -> Iterator[tuple[Dataset, DatasetSummary]]:
    """What prepare says of each folder that holds some of the records; nothing of records of other origin."""
    for folder in sorted({file.parent for file in files}):
        dataset = Dataset(folder)
        try:
            summary = statistics.load(dataset)
        except DataError:
            continue
        yield dataset, summary


def check_reader(reader: Any, name: str, path: Path) -> tuple[Path, ...]:
    classes = reader.label_map_path
    if not classes or not Path(classes).is_file():
        raise ConfigError(
            f"{path}: {name}.label_map_path: no such file: {classes or '(empty)'}",
            "Run odtool prepare, then odtool configure.",
        )
    patterns = list(reader.tf_record_input_reader.input_path)
    if not patterns:
        raise ConfigError(f"{path}: {name} names no records", "Run odtool prepare, then odtool configure.")
    for pattern in patterns:
        if not record_patterns.match(pattern):
            raise ConfigError(
                f"{path}: {name}.tf_record_input_reader.input_path: no file matches {pattern}",
                "Run odtool prepare, then odtool configure; a path with [ ] * or ? must be escaped.",
            )
    found = tuple(record_patterns.find_files(reader))
    # TensorFlow would look for a first record in them for ever.
    if not any(file.stat().st_size for file in found):
        raise ConfigError(
            f"{path}: {name}.tf_record_input_reader.input_path: the files are empty, such as {found[0]}",
            "Prepare the data again: odtool prepare",
        )
    check_whole(found)
    return found


def check_whole(files: Collection[Path]) -> None:
    """Raises DataError where one of the files is of a split that prepare wrote, and of which some is missing."""
    for dataset, summary in _accounts(files):
        for split, written in summary.splits.items():
            if not set(files).isdisjoint(dataset.shards(split)):
                statistics.refuse_cut_short(dataset, split, written)


def check_checkpoint(train_config: Any, path: Path) -> None:
    prefix = train_config.fine_tune_checkpoint
    if not prefix:
        return
    try:
        found = start_checkpoints.find(Path(prefix))
    except ConfigError as error:
        raise ConfigError(f"{path}: train_config.fine_tune_checkpoint: {error.message}", error.hint) from None
    if str(found) != prefix:
        raise ConfigError(
            f"{path}: train_config.fine_tune_checkpoint: {prefix} is not a checkpoint prefix",
            f"Write: odtool configure --checkpoint '{found}'",
        )
    if fine_tuning.restores_nothing(train_config):
        raise ConfigError(
            f"{path}: train_config.fine_tune_checkpoint_type is classification, of which {prefix} holds nothing: it is "
            "a detector's",
            "Set train_config.fine_tune_checkpoint_type=detection.",
        )


def check_classes(loaded: PipelineConfig, path: Path) -> None:
    found = Path(loaded.message.train_input_reader.label_map_path)
    classes = label_map.load(found)
    wanted = config.num_classes(loaded)
    if len(classes) != wanted:
        raise ConfigError(
            f"{path}: the model has {wanted} classes, {found} has {len(classes)}",
            "Write the config anew for this data, and leave num_classes to it: odtool configure",
        )
    for other in {Path(reader.label_map_path) for reader in loaded.message.eval_input_reader} - {found}:
        if label_map.load(other) != classes:
            raise ConfigError(
                f"{path}: {other} of the evaluation numbers the classes otherwise than {found} of the training",
                "Prepare its records with that label map: odtool prepare --label-map",
            )
