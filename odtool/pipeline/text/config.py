"""A pipeline.config in memory: reading and writing it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from odtool import state_files
from odtool.errors import ConfigError
from odtool.files import write_atomically
from odtool.pipeline.text import extensions, messages, spelling, workspace_paths
from odtool.pipeline.text.workspace_paths import Followed, LeftAlone
from odtool.state_files import StateError

_LARGEST = 1 << 24
"""Bytes; the longest of the zoo's has some ten thousand."""


@dataclass(frozen=True)
class PipelineConfig:
    """A TrainEvalPipelineConfig and the extensions of it that the installed API does not know."""

    message: Any
    extensions: tuple[extensions.Extension, ...] = ()
    move: Followed | LeftAlone | None = None
    """What was changed of its paths, as its workspace was moved, or what was left where it leads elsewhere."""

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
        # Extensions that are not registered here are skipped by the parser, and kept as text beside the message.
        text_format.Parse(text, message, allow_unknown_extension=True)
    except text_format.ParseError as error:
        raise spelling.explain(error, source) from None
    except RecursionError:
        raise ConfigError(
            f"{source}: messages are nested too deeply", "A pipeline.config has some ten levels."
        ) from None
    return PipelineConfig(message, extensions.find_unknown(text))


def load(path: Path) -> PipelineConfig:
    """Reads a pipeline.config. Paths in a workspace that was moved or copied lead to its new place; the file stays.

    Raises:
        ConfigError: it is missing, is not text, or does not parse, or workspace.json is damaged where it is needed.
    """
    try:
        text = state_files.read_bytes(path, largest=_LARGEST).decode("utf-8-sig")  # editors on Windows write the mark
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file", "Check the path of the pipeline.config.") from None
    except StateError as error:
        raise ConfigError(f"{path}: not a pipeline.config: {error}", "Check the path of the pipeline.config.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a text file", "A pipeline.config is protobuf text format in UTF-8.") from None
    parsed = parse(text, str(path))
    return replace(parsed, move=workspace_paths.follow(parsed.message, text, path))


def dump(config: PipelineConfig) -> str:
    """The text format of a config, unknown extensions in their places."""
    return extensions.to_text(config.message, config.extensions)


def save(config: PipelineConfig, path: Path, *, heading: str = "") -> None:
    """Writes a config in one step, below a comment line and one that names its workspace, and makes its folder.

    Raises:
        OSError: the folder cannot be written; the old file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    comments = [f"# {line}\n" for line in (heading, workspace_paths.describe_origin(path)) if line]
    write_atomically(path, "".join(comments) + dump(config))
