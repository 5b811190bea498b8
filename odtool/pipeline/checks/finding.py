"""What a check says: a finding about one subject, and what a check is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from odtool.errors import OdtoolError
from odtool.pipeline.text.facts import ConfigFacts

Level = Literal["ok", "warning", "error"]
MODEL_SETTINGS = "model settings"
"""The subject of most findings."""


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    level: Level
    subject: str
    message: str
    hint: str = ""


Check = Callable[[ConfigFacts], Iterable[Finding]]
"""Gives the errors and warnings of a config; nothing where all is well."""


def convert_error(subject: str, error: OdtoolError, field: str) -> Finding:
    """What another room raises about a file, as a finding about the config's field that names the file."""
    return Finding("error", subject, f"{field}: {error.message}", error.hint)


def report_error(message: str, hint: str) -> Finding:
    """A setting that the API refuses."""
    return Finding("error", MODEL_SETTINGS, message, hint)


def report_warning(message: str, hint: str) -> Finding:
    """A setting that trains, but hardly as meant."""
    return Finding("warning", MODEL_SETTINGS, message, hint)
