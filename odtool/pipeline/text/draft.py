"""A config while odtool changes it, with the reason for each change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from odtool.pipeline.text.config import PipelineConfig
from odtool.pipeline.text.facts import ConfigFacts, derive_facts

SET = "--set"
"""The reason for what the user set field by field."""


@dataclass
class ConfigDraft:
    """A config, the reasons for what changed in it, and notes."""

    config: PipelineConfig
    reasons: dict[str, str] = field(default_factory=dict)
    """By path."""
    notes: list[str] = field(default_factory=list)
    """What the user should know beyond the fields, a line each."""

    @property
    def message(self) -> Any:
        return self.config.message

    @property
    def facts(self) -> ConfigFacts:
        """Those of the config as it is now; raises ConfigError as `derive_facts` does."""
        return derive_facts(self.config)

    def give_reason(self, reason: str, *paths: str) -> None:
        """Gives the reason for whatever changed at or below these paths, in place of earlier reasons."""
        for path in paths:
            self.reasons = {known: text for known, text in self.reasons.items() if not is_within(known, path)}
            self.reasons[path] = reason

    def find_reason(self, path: str) -> str:
        """The one given for this path, or for one above it; '' where there is none."""
        return find_reason(path, self.reasons)


def find_reason(path: str, reasons: Mapping[str, str]) -> str:
    """The reason of the longest path that `path` lies at or below; '' where there is none."""
    above = [known for known in reasons if is_within(path, known)]
    return reasons[max(above, key=len)] if above else ""


def is_within(path: str, other: str) -> bool:
    """Whether a path is the other, or lies below it."""
    return path == other or path.startswith((f"{other}.", f"{other}["))
