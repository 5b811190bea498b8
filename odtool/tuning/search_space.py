"""What a study varies where nobody says: what matters for the architecture, around the values of the run's config."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from odtool.errors import ConfigError
from odtool.pipeline.configure import batch_and_steps
from odtool.pipeline.text.config import PipelineConfig
from odtool.pipeline.text.draft import ConfigDraft
from odtool.tuning import trial_config
from odtool.tuning.named_settings import NAMED
from odtool.tuning.parameters import Choices, Distribution, Hyperparameter, Value, ValueRange

_RATIOS = {"learning_rate": (0.2, 5.0), "weight_decay": (0.1, 10.0), "anchor_scale": (0.7, 1.4)}
"""How far below and above the config's own value."""
_RANGES: dict[str, ValueRange] = {
    "warmup": ValueRange(0.0, 0.3),
    "focal_alpha": ValueRange(0.1, 0.9),
    "focal_gamma": ValueRange(0.5, 3.0),
}
_CENTER_NET = "model.center_net.object_center_params.classification_loss.penalty_reduced_logistic_focal_loss"
_PATHS: dict[str, ValueRange] = {
    f"{_CENTER_NET}.alpha": ValueRange(1.0, 4.0),
    f"{_CENTER_NET}.beta": ValueRange(2.0, 6.0),
}
"""CenterNet's own focal loss (https://arxiv.org/abs/1904.07850 has 2 and 4)."""


def choose_default(base: PipelineConfig) -> tuple[Hyperparameter, ...]:
    """The parameters that a config has, each around its own value."""
    return tuple(Hyperparameter(name, distribution) for name, distribution in _list_default(base))


def _list_default(base: PipelineConfig) -> Iterator[tuple[str, Distribution]]:
    draft = ConfigDraft(base)
    order = ("learning_rate", "batch_size", "warmup", "augmentation", "weight_decay", *_RANGES, "anchor_scale")
    for name in dict.fromkeys(order):
        value = NAMED[name].read(draft)
        if value is not None:
            yield name, _surround(name, value)
    if base.message.model.WhichOneof("model") == "center_net":
        for path, distribution in _PATHS.items():
            if trial_config.read_values(base, [Hyperparameter(path, distribution)]):
                yield path, distribution


def _surround(name: str, value: Value) -> Distribution:
    if name == "augmentation":
        return Choices((True, False))
    if name == "batch_size":
        size = int(value)
        return Choices(tuple(dict.fromkeys((max(1, size // 2), size, size * 2))))
    number = float(value)
    if name in _RATIOS:
        low, high = (batch_and_steps.round_rate(number * ratio) for ratio in _RATIOS[name])
        return ValueRange(low, min(high, 0.9) if name == "anchor_scale" and number < 1 else high, log=True)
    usual = _RANGES[name]
    # The config's own value is one of those tried, however unusual it is.
    return ValueRange(min(usual.low, number), max(usual.high, batch_and_steps.round_rate(number)))


def refuse_unfit(base: PipelineConfig, parameters: Sequence[Hyperparameter]) -> None:
    """Tries the ends of each parameter on the config.

    Raises:
        ConfigError: the config has no such field, or does not take a value of it; names the parameter.
    """
    for parameter in parameters:
        name = parameter.name
        if name in NAMED and NAMED[name].read(ConfigDraft(base)) is None:
            raise ConfigError(f"{name}: {NAMED[name].missing}", "Leave it out of the search space.")
        for value in parameter.distribution.list_ends():
            trial_config.build(base, {name: value})
