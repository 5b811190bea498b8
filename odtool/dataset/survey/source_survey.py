"""Every source read as all of its formats, into one survey."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from odtool.dataset.readers.format_choice import FormatChoice
from odtool.dataset.survey.first_pass import SourceReading
from odtool.dataset.types import Source

Choices: TypeAlias = tuple[tuple[FormatChoice, ...], ...]
"""The formats of each source."""


def list_readings(sources: Sequence[Source], choices: Choices) -> Iterator[SourceReading]:
    """A reading for each format of each source, in the order of the sources and of their formats."""
    for source, formats in zip(sources, choices, strict=True):
        for choice in formats:
            yield SourceReading(source, choice.reader.read(source), beside_others=len(formats) > 1)
