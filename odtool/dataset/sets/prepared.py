"""What prepare has written: the sets, their figures, and the formats that they were read as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from odtool.dataset.readers.format_choice import FormatChoice
from odtool.dataset.statistics import DatasetSummary
from odtool.dataset.types import Problem
from odtool.workspace import Dataset


@dataclass(frozen=True)
class PreparedSet:
    """One data set folder that was written."""

    dataset: Dataset
    summary: DatasetSummary
    first: Mapping[str, Problem]
    """The first problem of each kind."""


@dataclass(frozen=True)
class Prepared:
    """What was written, and why it was read as it was."""

    path: Path
    """The folder that was asked for; with folds, theirs lie in it."""
    sets: tuple[PreparedSet, ...]
    """One, or one a fold."""
    choices: tuple[tuple[FormatChoice, ...], ...]
    """The formats of each source."""

    @property
    def dataset(self) -> Dataset:
        """The set, or the first fold."""
        return self.sets[0].dataset

    @property
    def summary(self) -> DatasetSummary:
        return self.sets[0].summary

    @property
    def first(self) -> Mapping[str, Problem]:
        return self.sets[0].first
