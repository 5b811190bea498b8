"""dataset.json: the figures of a prepared data set, and how to read them back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from odtool.errors import DataError
from odtool.workspace import Dataset


@dataclass(frozen=True)
class SplitSummary:
    """Figures of one split."""

    images: int
    objects: int
    shards: int
    bytes: int
    """Size of the split's records on disk."""
    max_objects: int
    """Objects in the most crowded image."""
    mean_objects: float
    background_images: int
    """Images without objects."""
    classes: dict[str, int]
    """Objects by class name."""
    min_size: tuple[int, int]
    """Smallest width and smallest height, in pixels."""
    median_size: tuple[int, int]
    max_size: tuple[int, int]


@dataclass(frozen=True)
class ProblemSummary:
    """How often one kind of problem was met."""

    level: str
    count: int
    action: str


@dataclass(frozen=True)
class DatasetSummary:
    """The whole of dataset.json."""

    classes: dict[str, int]
    """Ids by class name, ids from 1 without a gap."""
    splits: dict[str, SplitSummary]
    format: str
    sources: tuple[str, ...]
    seed: int
    odtool: str
    """Version of odtool that wrote the records."""
    created: str
    """UTC, ISO 8601."""
    problems: dict[str, ProblemSummary] = field(default_factory=dict)


def load(dataset: Dataset) -> DatasetSummary:
    """Reads a prepared data set's dataset.json.

    Raises:
        DataError: it is missing or is not what `odtool prepare` writes.
    """
    try:
        payload = json.loads(dataset.summary.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{dataset.summary}: no such file", "Make records first: odtool prepare SOURCE") from None
    except ValueError as error:
        raise DataError(f"{dataset.summary}: not JSON: {error}", "Write it anew: odtool prepare SOURCE") from None
    try:
        return _from_json(payload)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{dataset.summary}: not written by this odtool ({error})", "Write it anew: odtool prepare SOURCE"
        ) from None


def _from_json(payload: dict[str, Any]) -> DatasetSummary:
    splits = {name: SplitSummary(**_with_tuples(split)) for name, split in payload["splits"].items()}
    problems = {name: ProblemSummary(**problem) for name, problem in payload["problems"].items()}
    rest = {key: payload[key] for key in ("classes", "format", "seed", "odtool", "created")}
    return DatasetSummary(splits=splits, problems=problems, sources=tuple(payload["sources"]), **rest)


def _with_tuples(split: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in split.items()}
