"""What must stand before a training starts: records, label map, checkpoint, and a model that fits the classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odtool.errors import ConfigError
from odtool.pipeline import checkpoints, config, records, schema, spelling
from odtool.pipeline.config import PipelineConfig

PLACEHOLDER = "PATH_TO_BE_CONFIGURED"
"""What the zoo's configs have where a path of the user's belongs."""


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
    fine_tune_checkpoint: str
    """Checkpoint prefix; empty when training starts from scratch."""
    metrics: tuple[str, ...]


def check_before_training(path: Path) -> Settings:
    """Reads a run's pipeline.config and refuses what would fail after minutes of start-up.

    Raises:
        ConfigError: names the field and the file that is missing or does not fit.
    """
    loaded = config.load(path)
    architecture = config.architecture(loaded)
    message = loaded.message
    _check_numbers(message, path)
    train_records = _check_reader(message.train_input_reader, "train_input_reader", path)
    if not message.eval_input_reader:
        raise ConfigError(f"{path}: no eval_input_reader", "Write the config anew: odtool configure")
    eval_records = _check_reader(message.eval_input_reader[0], "eval_input_reader[0]", path)
    _check_checkpoint(message.train_config, path)
    label_map = Path(message.train_input_reader.label_map_path)
    _check_classes(loaded, label_map, path)
    return Settings(
        architecture=architecture,
        num_classes=config.num_classes(loaded),
        batch_size=message.train_config.batch_size,
        num_steps=message.train_config.num_steps,
        label_map=label_map,
        train_records=train_records,
        eval_records=eval_records,
        fine_tune_checkpoint=message.train_config.fine_tune_checkpoint,
        metrics=tuple(message.eval_config.metrics_set),
    )


def read_label_map(path: Path) -> dict[str, int]:
    """Ids by class name, as the API reads a label map.

    Raises:
        ConfigError: it is missing or does not parse.
    """
    from google.protobuf import text_format

    message = schema.messages("string_int_label_map").StringIntLabelMap()
    try:
        text_format.Parse(path.read_text(encoding="utf-8"), message)
    except OSError:
        raise ConfigError(f"{path}: no such label map", "Make it with: odtool prepare SOURCE") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a text file", "A label map is protobuf text format in UTF-8.") from None
    except text_format.ParseError as error:
        raise spelling.explain(error, str(path)) from None
    return {item.name: item.id for item in message.item}


def _check_numbers(message: Any, path: Path) -> None:
    for name in ("batch_size", "num_steps"):
        # Upstream documents num_steps: 0 as "for ever", and crashes on it with TensorFlow 2.
        if getattr(message.train_config, name) < 1:
            raise ConfigError(
                f"{path}: train_config.{name} is {getattr(message.train_config, name)}",
                f"Give a number of at least 1: odtool configure --set train_config.{name}=1000",
            )


def _check_reader(reader: Any, name: str, path: Path) -> tuple[Path, ...]:
    label_map = reader.label_map_path
    if not label_map or PLACEHOLDER in label_map or not Path(label_map).is_file():
        raise ConfigError(
            f"{path}: {name}.label_map_path: no such file: {label_map or '(empty)'}",
            "Run odtool prepare, then odtool configure.",
        )
    patterns = list(reader.tf_record_input_reader.input_path)
    if not patterns:
        raise ConfigError(f"{path}: {name} names no records", "Run odtool prepare, then odtool configure.")
    for pattern in patterns:
        if not records.matches([pattern]):
            raise ConfigError(
                f"{path}: {name}.tf_record_input_reader.input_path: no file matches {pattern}",
                "Run odtool prepare, then odtool configure; a path with [ ] * or ? must be escaped.",
            )
    return tuple(records.matches(patterns))


def _check_checkpoint(train_config: Any, path: Path) -> None:
    prefix = train_config.fine_tune_checkpoint
    if not prefix:
        return
    try:
        found = checkpoints.find(Path(prefix))
    except ConfigError as error:
        raise ConfigError(f"{path}: train_config.fine_tune_checkpoint: {error.message}", error.hint) from None
    if str(found) != prefix:
        raise ConfigError(
            f"{path}: train_config.fine_tune_checkpoint: {prefix} is not a checkpoint prefix",
            f"Write: odtool configure --checkpoint '{found}'",
        )


def _check_classes(loaded: PipelineConfig, label_map: Path, path: Path) -> None:
    classes = read_label_map(label_map)
    highest = max(classes.values(), default=0)
    wanted = config.num_classes(loaded)
    if not classes or min(classes.values()) < 1:
        raise ConfigError(f"{label_map}: ids must start at 1; 0 is the background", "Make it anew with: odtool prepare")
    if highest != wanted:
        raise ConfigError(
            f"{path}: the model has {wanted} classes, {label_map} ids up to {highest}",
            "Write the config anew for this data: odtool configure",
        )
