"""What a study varies: a parameter's name and the values it may take, without Optuna."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = bool | int | float | str


@dataclass(frozen=True)
class ValueRange:
    """Numbers from `low` to `high`, both included."""

    low: float
    high: float
    log: bool = False
    """Equal ratios are equally likely, not equal differences."""
    step: float | None = None
    """Distance between the values; None for any number (of whole numbers: each)."""
    whole: bool = False

    def contains(self, value: Value) -> bool:
        if isinstance(value, (str, bool)) or not self.low <= value <= self.high:
            return False
        if self.whole and value != int(value):
            return False
        steps = (value - self.low) / self.step if self.step else 0
        return abs(steps - round(steps)) < 1e-6

    def describe(self) -> str:
        """For people: '0.001 to 0.1, by ratio'."""
        return (
            f"{self.low:g} to {self.high:g}"
            + (", by ratio" if self.log else "")
            + (f", in steps of {self.step:g}" if self.step else "")
        )

    def list_ends(self) -> tuple[Value, ...]:
        """The values that a config is tried with before the study begins."""
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)


@dataclass(frozen=True)
class Choices:
    """One of several values, between which there is no order."""

    values: tuple[Value, ...]

    def contains(self, value: Value) -> bool:
        return any(value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in self.values)

    def describe(self) -> str:
        """For people: '4, 8 or 16'."""
        words = [format_value(value) for value in self.values]
        return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]

    def list_ends(self) -> tuple[Value, ...]:
        """As of a ValueRange: all of them."""
        return self.values


Distribution: TypeAlias = ValueRange | Choices


@dataclass(frozen=True)
class Hyperparameter:
    """One thing that trials differ in."""

    name: str
    """One of `named_settings.NAMED`, or a field's path as --set takes it."""
    distribution: Distribution


def format_value(value: Value) -> str:
    """As a config has it, with the digits that people read."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def shorten_names(paths: Sequence[str]) -> dict[str, str]:
    """Of each path, as many of its last fields as tell it from the others."""
    short = {}
    for path in paths:
        fields, count = path.split("."), 1
        while count < len(fields) and sum(other.endswith(_tail(fields, count)) for other in paths) > 1:
            count += 1
        short[path] = _tail(fields, count)
    return short


def _tail(fields: Sequence[str], count: int) -> str:
    return ".".join(fields[-count:])
