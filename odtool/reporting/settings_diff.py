"""How a run's config differs from the zoo's, and how the configs of runs differ from each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from odtool.errors import ConfigError
from odtool.pipeline.text import config, diff
from odtool.pipeline.text.config import PipelineConfig
from odtool.pipeline.text.diff import Change
from odtool.pipeline.zoo import zoo
from odtool.pipeline.zoo.catalogue import MODELS
from odtool.workspace import Run

_MANY = 0.5
"""A config that differs from every zoo model's in more than this share of the model's fields is none of the zoo's."""


@dataclass(frozen=True)
class Settings:
    """One run's settings beside the zoo's."""

    architecture: str
    model: str | None
    """The zoo's model whose config is most like the run's; None where none is."""
    changes: tuple[Change, ...]
    """From the zoo's config to the run's."""


def against_zoo(run: Run) -> Settings:
    """Compares a run's pipeline.config with that of the zoo's model it is most like.

    Raises:
        ConfigError: the config is missing or does not parse.
    """
    own = config.load(run.pipeline_config)
    architecture = _architecture(own)
    flat = _model(diff.flatten(own))
    differences = {name: _distance(flat, _model(fields)) for name, fields in _zoo().items()}
    nearest = min(differences, key=lambda name: differences[name])
    if differences[nearest] > _MANY * len(flat):
        return Settings(architecture, None, ())
    base = zoo.build(zoo.find(nearest))
    return Settings(architecture, zoo.short_name(nearest), tuple(diff.compare(base, own, {})))


def between(runs: Sequence[Run]) -> dict[str, tuple[str | None, ...]]:
    """Settings that are not the same in all runs, by field; None where a run does not set it."""
    flat = [diff.flatten(config.load(run.pipeline_config)) for run in runs]
    fields = dict.fromkeys(name for one in flat for name in one)
    values = {name: tuple(one.get(name) for one in flat) for name in fields}
    return {name: each for name, each in values.items() if len(set(each)) > 1}


def _architecture(own: PipelineConfig) -> str:
    try:
        return config.architecture(own)
    except ConfigError:
        return "experimental"


@lru_cache(maxsize=1)
def _zoo() -> dict[str, dict[str, str]]:
    return {model.name: diff.flatten(zoo.build(model)) for model in MODELS}


def _model(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name.startswith("model.")}


def _distance(one: Mapping[str, str], other: Mapping[str, str]) -> int:
    return sum(one.get(name) != other.get(name) for name in {*one, *other})
