"""A search space of the user's own, in TOML or YAML: by config paths as --set takes them, or by parameters' names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from odtool.errors import ConfigError
from odtool.pipeline.text import fields, spelling
from odtool.pipeline.text.config import PipelineConfig
from odtool.settings import setting_file
from odtool.tuning import search_space
from odtool.tuning.named_settings import NAMED
from odtool.tuning.parameters import Choices, Distribution, Hyperparameter, ValueRange

_RANGE, _CHOICES = ("low", "high", "log", "step"), "choices"
_SHOWN = 20
"""Characters of a value."""
_EXAMPLE = "For example, in TOML: learning_rate = {low = 0.001, high = 0.1, log = true}, or: batch_size = [4, 8, 16]"


def read(path: Path, base: PipelineConfig) -> tuple[Hyperparameter, ...]:
    """The parameters that a file describes, tried on the config that they are for.

    Raises:
        ConfigError: names the file, the line and the parameter.
    """
    document = setting_file.read(path)
    parameters = []
    for keys, entry in _list_entries(document.values, ()):
        name = ".".join(keys)
        where = document.locate(keys)
        try:
            parameter = Hyperparameter(name, _parse(name, entry, base))
            search_space.refuse_unfit(base, [parameter])
        except ConfigError as error:
            message = error.message.removeprefix(f"{name}: ").removeprefix("--set ")
            raise ConfigError(f"{where}: {name}: {message}", error.hint or _EXAMPLE) from None
        parameters.append(parameter)
    if not parameters:
        raise ConfigError(f"{path}: holds no parameter", _EXAMPLE)
    return tuple(parameters)


def _list_entries(table: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Entries by their keys: a path in quotes is one key, one without is a table in a table."""
    for key, value in table.items():
        keys = (*above, str(key))
        if isinstance(value, Mapping) and value and not {*_RANGE, _CHOICES} & value.keys():
            yield from _list_entries(value, keys)
        else:
            yield keys, value


def _parse(name: str, entry: Any, base: PipelineConfig) -> Distribution:
    if "." not in name and name not in NAMED:
        raise ConfigError("is neither a parameter nor a path", spelling.suggest_nearest(name, NAMED))
    if isinstance(entry, Sequence) and not isinstance(entry, str):
        return _parse_choices(name, entry)
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{_show(entry)} is neither a range nor a list of choices", _EXAMPLE)
    known = (*_RANGE, _CHOICES)
    for key in entry:
        if key not in known:
            raise ConfigError(
                f"{_show(key)} is not one of {', '.join(known)}", spelling.suggest_nearest(str(key), known)
            )
    if _CHOICES in entry:
        if len(entry) > 1:
            raise ConfigError("has choices and a range", "Give one of the two.")
        return _parse_choices(name, entry[_CHOICES])
    return _parse_range(name, entry, base)


def _parse_choices(name: str, values: Any) -> Choices:
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise ConfigError("choices: is not a list of values", _EXAMPLE)
    for value in values:
        if not isinstance(value, (bool, int, float, str)) or (isinstance(value, float) and not math.isfinite(value)):
            raise ConfigError(f"choices: {_show(value)} is neither a number, nor true or false, nor a text")
    if len({(str(value), type(value)) for value in values}) < len(values):
        raise ConfigError("choices: one is there twice")
    if name in NAMED:
        for value in values:
            _refuse_misfit(name, value)
    return Choices(tuple(values))


def _parse_range(name: str, entry: Mapping[str, Any], base: PipelineConfig) -> ValueRange:
    low, high = _get_number(entry, "low"), _get_number(entry, "high")
    step, log = _get_number(entry, "step") if "step" in entry else None, entry.get("log", False)
    if not isinstance(log, bool):
        raise ConfigError(f"log: {_show(log)} is neither true nor false")
    if not low < high:
        raise ConfigError(f"low: {low:g} is not below high, {high:g}")
    if log and (low <= 0 or step is not None):
        raise ConfigError("log: needs a low above 0 and no step")
    if step is not None and not 0 < step <= high - low:
        raise ConfigError(f"step: {step:g} is not more than 0 and at most high - low, {high - low:g}")
    whole = _is_whole(name, base)
    if whole and any(number != int(number) for number in (low, high, step or 1)):
        raise ConfigError("takes whole numbers only", "Give low, high and step without a fraction.")
    for value in (low, high):
        if name in NAMED:
            _refuse_misfit(name, value)
    return ValueRange(low, high, log=log, step=step, whole=whole)


def _get_number(entry: Mapping[str, Any], key: str) -> float:
    if key not in entry:
        raise ConfigError(f"{key}: is missing", _EXAMPLE)
    value = entry[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ConfigError(f"{key}: {_show(value)} is not a number", _EXAMPLE)
    return float(value)


def _is_whole(name: str, base: PipelineConfig) -> bool:
    if name in NAMED:
        if NAMED[name].kind is bool:
            raise ConfigError("is true or false", "Give its choices: [true, false].")
        return NAMED[name].kind is int
    kind = fields.find_kind(base, name)
    if kind not in (int, float):
        raise ConfigError("is not a number", "Give its choices in a list.")
    return kind is int


def _show(value: Any) -> str:
    """A value for a message: of a long one its beginning, as a log may be public."""
    text = str(value)
    return f"'{text}'" if len(text) <= _SHOWN else f"'{text[:_SHOWN]}…'"


def _refuse_misfit(name: str, value: Any) -> None:
    """Raises ConfigError for a value that a named parameter cannot have."""
    setting = NAMED[name]
    fits = isinstance(value, bool) if setting.kind is bool else type(value) in (int, float)
    if fits and setting.kind is int:
        fits = value == int(value)
    if not fits:
        wanted = {bool: "true or false", int: "a whole number", float: "a number"}[setting.kind]
        raise ConfigError(f"{_show(value)} is not {wanted}", _EXAMPLE)
    if setting.kind is not bool and not setting.low <= value <= setting.high:
        raise ConfigError(f"{value:g} is not from {setting.low:g} to {setting.high:g}")
