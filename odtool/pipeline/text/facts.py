"""What a pipeline.config says, found once: architecture, model, input size, classes, learning rate and record files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from odtool.dataset import statistics
from odtool.dataset.statistics import DatasetSummary
from odtool.errors import ConfigError, DataError
from odtool.pipeline import addresses, record_patterns
from odtool.pipeline.text import config as configs
from odtool.pipeline.text.config import PipelineConfig
from odtool.workspace import Dataset

META_ARCHITECTURES = ("ssd", "faster_rcnn", "center_net")
"""Members of DetectionModel's oneof that odtool configures; 'experimental_model' is for the API's own tests."""


@dataclass(frozen=True)
class LearningRate:
    """The schedule of the chosen optimizer."""

    path: str
    """As train_config.optimizer.adam_optimizer.learning_rate.cosine_decay_learning_rate."""
    kind: str
    """Its name in the oneof, such as cosine_decay_learning_rate."""
    schedule: Any
    """Its message."""


@dataclass(frozen=True)
class RecordReader:
    """An InputReader message, and the files that it names."""

    path: str
    """train_input_reader or eval_input_reader[N]."""
    message: Any

    @property
    def label_map(self) -> Path | None:
        """The file that it names, there or not."""
        return Path(self.message.label_map_path) if self.message.label_map_path else None

    @property
    def has_remote_map(self) -> bool:
        """Whether its label map is an address such as gs://bucket/label_map.pbtxt, which only the engine can read."""
        return addresses.is_remote(self.message.label_map_path)

    @property
    def has_remote_records(self) -> bool:
        """Whether some of its records are."""
        return record_patterns.is_remote(self.message)

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """The record files that are there, on this machine."""
        return tuple(record_patterns.find_files(self.message))

    @cached_property
    def prepared(self) -> tuple[tuple[Dataset, DatasetSummary], ...]:
        """What dataset.json says of each folder that holds some of the files; nothing of records of other origin."""
        summaries = []
        for folder in sorted({file.parent for file in self.files}):
            try:
                summaries.append((Dataset(folder), statistics.load(Dataset(folder))))
            except DataError:
                continue
        return tuple(summaries)


@dataclass(frozen=True)
class ConfigFacts:
    """A config that names a model odtool knows, and the devices that it is to be trained on.

    They hold for the config as it was when they were derived: derive them again after changing it.
    """

    config: PipelineConfig
    source: Path | None
    """The file it was read from or is to be written to, named in errors."""
    devices: int
    """How many are to share a batch, which no config says."""
    meta_architecture: str
    """Name of the model's message: one of META_ARCHITECTURES."""
    architecture: str
    """'ssd', 'faster_rcnn', 'mask_rcnn', 'context_rcnn' or 'center_net'."""
    model: Any
    """Its message: Ssd, FasterRcnn or CenterNet."""
    num_classes: int
    """Background not counted."""
    input_size: tuple[int, int] | None
    """Height and width that every image is brought to; None where images keep sizes of their own."""
    learning_rate: LearningRate | None
    """None where no optimizer is chosen, or one without a schedule."""
    readers: tuple[RecordReader, ...]
    """The one for training first."""

    @property
    def message(self) -> Any:
        return self.config.message

    @property
    def model_path(self) -> str:
        """'model.ssd' and the like."""
        return f"model.{self.meta_architecture}"

    @property
    def suppression(self) -> tuple[str, Any]:
        """Path and message of the non-maximum suppression that ends detection; not for CenterNet, which needs none."""
        stage = "post_processing" if self.meta_architecture == "ssd" else "second_stage_post_processing"
        message = getattr(self.model, stage).batch_non_max_suppression
        return f"{self.model_path}.{stage}.batch_non_max_suppression", message

    @property
    def resizer(self) -> tuple[str | None, Any]:
        """Name and message of the resizer; both None where none is chosen."""
        kind = self.model.image_resizer.WhichOneof("image_resizer_oneof")
        return kind, getattr(self.model.image_resizer, kind) if kind else None

    @property
    def batch_size(self) -> int:
        """Images of all devices in a step."""
        return int(self.message.train_config.batch_size)

    @property
    def num_steps(self) -> int:
        return int(self.message.train_config.num_steps)


def read_facts(path: Path, *, devices: int = 1) -> ConfigFacts:
    """The facts of a pipeline.config on disk.

    Raises:
        ConfigError: it cannot be read, or names no model that odtool knows.
    """
    return derive_facts(configs.load(path), path, devices=devices)


def derive_facts(config: PipelineConfig, source: Path | None = None, *, devices: int = 1) -> ConfigFacts:
    """The facts of a config in memory.

    Raises:
        ConfigError: it has no model, or one that odtool does not know.
    """
    message = config.message
    name = message.model.WhichOneof("model")
    if name not in META_ARCHITECTURES:
        where = f"{source}: model" if source else "model"
        raise ConfigError(
            f"{where}: {name} is not an architecture that odtool configures" if name else f"{where}: not set",
            f"Use a config with one of: {', '.join(META_ARCHITECTURES)}.",
        )
    model = getattr(message.model, name)
    return ConfigFacts(
        config=config,
        source=source,
        devices=devices,
        meta_architecture=name,
        architecture=_name_rcnn(model) if name == "faster_rcnn" else name,
        model=model,
        num_classes=int(model.num_classes),
        input_size=_find_input_size(model.image_resizer),
        learning_rate=find_learning_rate(config),
        readers=_list_readers(message),
    )


def find_learning_rate(config: PipelineConfig) -> LearningRate | None:
    """The schedule of the chosen optimizer; None where there is none. Needs no model."""
    optimizers = config.message.train_config.optimizer
    optimizer = optimizers.WhichOneof("optimizer")
    if optimizer is None:
        return None
    rates = getattr(optimizers, optimizer).learning_rate
    kind = rates.WhichOneof("learning_rate")
    if kind is None:
        return None
    return LearningRate(f"train_config.optimizer.{optimizer}.learning_rate.{kind}", kind, getattr(rates, kind))


def _name_rcnn(model: Any) -> str:
    if model.HasField("context_config"):
        return "context_rcnn"
    # faster_rcnn_meta_arch's third stage is the mask head.
    return "mask_rcnn" if model.number_of_stages == 3 else "faster_rcnn"


def _find_input_size(resizer: Any) -> tuple[int, int] | None:
    """As config_util.get_spatial_image_size."""
    kind = resizer.WhichOneof("image_resizer_oneof")
    if kind == "fixed_shape_resizer":
        return resizer.fixed_shape_resizer.height, resizer.fixed_shape_resizer.width
    if kind == "keep_aspect_ratio_resizer" and resizer.keep_aspect_ratio_resizer.pad_to_max_dimension:
        side = resizer.keep_aspect_ratio_resizer.max_dimension
        return side, side
    return None


def _list_readers(message: Any) -> tuple[RecordReader, ...]:
    evaluation = [
        RecordReader(f"eval_input_reader[{index}]", reader) for index, reader in enumerate(message.eval_input_reader)
    ]
    return RecordReader("train_input_reader", message.train_input_reader), *evaluation
