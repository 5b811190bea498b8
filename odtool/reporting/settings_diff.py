"""How a run's config differs from the zoo's, and how the configs of runs differ from each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from odtool.errors import ConfigError
from odtool.pipeline.text import config, diff
from odtool.pipeline.text.config import PipelineConfig
from odtool.pipeline.text.diff import Change
from odtool.pipeline.text.facts import derive_facts
from odtool.pipeline.zoo import zoo
from odtool.pipeline.zoo.catalogue import MODELS
from odtool.workspace import Run

_MANY = 0.5
"""A config that differs from every zoo model's in more than this share of the model's fields is none of the zoo's."""


@dataclass(frozen=True)
class SettingsDiff:
    """One run's settings beside the zoo's."""

    architecture: str
    model: str | None
    """The zoo's model whose config is most like the run's; None where none is."""
    changes: tuple[Change, ...]
    """From the zoo's config to the run's."""


def compare_with_zoo(run: Run) -> SettingsDiff:
    """Compares a run's pipeline.config with that of the zoo's model it is most like.

    Raises:
        ConfigError: the config is missing or does not parse.
    """
    own = config.load(run.pipeline_config)
    architecture = _find_architecture(own)
    flat = _select_model_fields(diff.flatten(own))
    differences = {
        name: _count_differences(flat, _select_model_fields(fields)) for name, fields in _flatten_zoo().items()
    }
    nearest = min(differences, key=lambda name: differences[name])
    if differences[nearest] > _MANY * len(flat):
        return SettingsDiff(architecture, None, ())
    base = zoo.build(zoo.find(nearest))
    return SettingsDiff(architecture, zoo.shorten_name(nearest), tuple(diff.compare(base, own, {})))


def compare_runs(runs: Sequence[Run]) -> dict[str, tuple[str | None, ...]]:
    """Settings that are not the same in all runs, by field; None where a run does not set it."""
    flat = [diff.flatten(config.load(run.pipeline_config)) for run in runs]
    fields = dict.fromkeys(name for fields_of_run in flat for name in fields_of_run)
    values = {name: tuple(fields_of_run.get(name) for fields_of_run in flat) for name in fields}
    return {name: settings for name, settings in values.items() if len(set(settings)) > 1}


def _find_architecture(own: PipelineConfig) -> str:
    try:
        return derive_facts(own).architecture
    except ConfigError:
        return "experimental"


@lru_cache(maxsize=1)
def _flatten_zoo() -> dict[str, dict[str, str]]:
    return {model.name: diff.flatten(zoo.build(model)) for model in MODELS}


def _select_model_fields(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name.startswith("model.")}


def _count_differences(first: Mapping[str, str], second: Mapping[str, str]) -> int:
    return sum(first.get(name) != second.get(name) for name in {*first, *second})
