"""What a trial's pipeline.config is: the study's base config with the trial's values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from odtool import __version__
from odtool.pipeline.configure import batch_and_steps, fine_tuning
from odtool.pipeline.text import config, fields
from odtool.pipeline.text.config import PipelineConfig
from odtool.pipeline.text.draft import ConfigDraft
from odtool.tuning.named_settings import NAMED, REASON
from odtool.tuning.parameters import Hyperparameter, Value, format_value


def set_values(draft: ConfigDraft, values: Mapping[str, Value]) -> None:
    """Sets a trial's values, whatever order they come in.

    Raises:
        ConfigError: a field or value that the config does not take.
    """
    for name, setting in NAMED.items():
        if name in values:
            setting.write(draft, values[name])
    for name, value in values.items():
        if name not in NAMED:
            assigned = fields.assign(draft.config, f"{name}={write_value(value)}")
            draft.give_reason(REASON, assigned.path)


def write_value(value: Value) -> str:
    """As --set takes it, with every digit."""
    return format_value(value) if isinstance(value, bool) else str(value)


def read_values(base: PipelineConfig, parameters: Sequence[Hyperparameter]) -> dict[str, Value]:
    """What the base config itself has for the parameters, as far as they may take that."""
    draft = ConfigDraft(base)
    values: dict[str, Value] = {}
    for parameter in parameters:
        name = parameter.name
        value = NAMED[name].read(draft) if name in NAMED else fields.find_value(base, name)
        if isinstance(value, float):
            value = batch_and_steps.round_rate(value)
        if value is not None and parameter.distribution.contains(value):
            values[name] = value
    return values


def build(base: PipelineConfig, values: Mapping[str, Value], steps: int | None = None) -> PipelineConfig:
    """The config of a trial.

    Args:
        steps: of a trial whose batch is the base's; the base's own by default.

    Raises:
        ConfigError: a field or value that the config does not take.
    """
    draft = ConfigDraft(base.copy())
    if steps is not None:
        batch_and_steps.set_steps(draft, steps, "--steps")
    set_values(draft, values)
    if steps is not None and not draft.message.train_config.fine_tune_checkpoint:
        fine_tuning.settle_batch_norm(draft)
    return draft.config


def save(trial: PipelineConfig, path: Path, name: str) -> None:
    """Writes a trial's config; `name` is what it is called in the heading."""
    config.save(trial, path, heading=f"Written by odtool {__version__} for {name}.")
