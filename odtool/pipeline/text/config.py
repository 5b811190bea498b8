"""A pipeline.config in memory: reading, writing and what it says whatever the architecture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from odtool.errors import ConfigError
from odtool.files import write_atomically
from odtool.pipeline.text import extensions, messages, spelling

ARCHITECTURES = ("ssd", "faster_rcnn", "center_net")
"""Members of DetectionModel's oneof that odtool configures; 'experimental_model' is the API's own test door."""


@dataclass(frozen=True)
class PipelineConfig:
    """A TrainEvalPipelineConfig and the extensions of it that the installed API does not know."""

    message: Any
    extensions: tuple[extensions.Extension, ...] = ()

    def copy(self) -> PipelineConfig:
        message = type(self.message)()
        message.CopyFrom(self.message)
        return replace(self, message=message)


def parse(text: str, source: str) -> PipelineConfig:
    """Reads the text format.

    Args:
        text: what the file holds.
        source: the file's name, for messages.

    Raises:
        ConfigError: with the line, and the nearest real field for a misspelt one.
    """
    from google.protobuf import text_format

    message = messages.messages().TrainEvalPipelineConfig()
    try:
        # Extensions that nobody here has registered are skipped by the parser and kept as text beside the message.
        text_format.Parse(text, message, allow_unknown_extension=True)
    except text_format.ParseError as error:
        raise spelling.explain(error, source) from None
    return PipelineConfig(message, extensions.find_unknown(text))


def load(path: Path) -> PipelineConfig:
    """Reads a pipeline.config.

    Raises:
        ConfigError: it is missing, is not text, or does not parse.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError):
        raise ConfigError(f"{path}: no such file", "Name a pipeline.config that exists.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a text file", "A pipeline.config is protobuf text format in UTF-8.") from None
    return parse(text, str(path))


def dump(config: PipelineConfig) -> str:
    """The text format of a config, unknown extensions in their places."""
    return extensions.to_text(config.message, config.extensions)


def save(config: PipelineConfig, path: Path, *, heading: str = "") -> None:
    """Writes a config in one step, below a comment line.

    Raises:
        OSError: the folder cannot be written; the old file stays.
    """
    comment = f"# {heading}\n" if heading else ""
    write_atomically(path, comment + dump(config))


def architecture(config: PipelineConfig, path: Path | None = None) -> str:
    """'ssd', 'faster_rcnn', 'mask_rcnn', 'context_rcnn' or 'center_net'.

    Args:
        path: the file that the config was read from, to be named.

    Raises:
        ConfigError: the config has no model, or an experimental one.
    """
    name = config.message.model.WhichOneof("model")
    if name not in ARCHITECTURES:
        where = f"{path}: model" if path else "model"
        raise ConfigError(
            f"{where}: {name} is not an architecture that odtool configures" if name else f"{where}: not set",
            f"Use a config with one of: {', '.join(ARCHITECTURES)}.",
        )
    if name == "faster_rcnn":
        return _rcnn_kind(config.message.model.faster_rcnn)
    return str(name)


def _rcnn_kind(model: Any) -> str:
    if model.HasField("context_config"):
        return "context_rcnn"
    # faster_rcnn_meta_arch's third stage is the mask head.
    return "mask_rcnn" if model.number_of_stages == 3 else "faster_rcnn"


def model(config: PipelineConfig) -> Any:
    """The architecture's own message: Ssd, FasterRcnn or CenterNet.

    Raises:
        ConfigError: see `architecture`.
    """
    architecture(config)
    return getattr(config.message.model, config.message.model.WhichOneof("model"))


def num_classes(config: PipelineConfig) -> int:
    """Classes the model tells apart, background not counted."""
    return int(model(config).num_classes)


def optimizer(config: PipelineConfig) -> Any:
    """The chosen optimizer's message, such as MomentumOptimizer; None where none is chosen."""
    chosen = config.message.train_config.optimizer
    name = chosen.WhichOneof("optimizer")
    return getattr(chosen, name) if name else None


def readers(config: PipelineConfig) -> list[Any]:
    """Every InputReader, the one for training first."""
    return [config.message.train_input_reader, *config.message.eval_input_reader]
