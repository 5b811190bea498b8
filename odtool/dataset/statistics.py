"""dataset.json: the figures of a prepared data set, gathered shard by shard, written and read back."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated

from odtool import state_files
from odtool.errors import DataError
from odtool.state_files import Count, Range, StateError
from odtool.workspace import Dataset


@dataclass(frozen=True)
class SplitSummary:
    """Figures of one split."""

    images: Count
    """Each once, however often it is written."""
    objects: Count
    shards: Count
    bytes: Count
    """Size of the split's records on disk."""
    max_objects: Count
    """Objects in the most crowded image."""
    mean_objects: Annotated[float, Range(0, 2**63)]
    background_images: Count
    """Images without objects."""
    classes: dict[str, Count]
    """Objects by class name."""
    min_size: tuple[Count, Count]
    """Smallest width and smallest height, in pixels."""
    median_size: tuple[Count, Count]
    max_size: tuple[Count, Count]
    repetitions: Count = 0
    """Records that repeat an image, as --balance asks."""

    @property
    def records(self) -> int:
        """What one pass over the split reads: images and repetitions."""
        return self.images + self.repetitions


@dataclass(frozen=True)
class ClassRepeats:
    """How much more often a rare class is seen."""

    factor: Annotated[float, Range(0, 2**63)]
    """sqrt(threshold / share of the training images with the class)."""
    images: Count
    """Training images with the class."""
    records: Count
    """Training records with the class, repetitions among them."""


@dataclass(frozen=True)
class Balance:
    """What --balance repeated: rare classes by the repeat factors of LVIS."""

    threshold: Annotated[float, Range(0, 1)]
    """Share of the training images below which a class is repeated."""
    repeated_images: Count
    """Images that are written more than once."""
    repetitions: Count
    """Records more than images."""
    classes: dict[str, ClassRepeats]
    """By name, those whose factor is above 1."""


@dataclass(frozen=True)
class ProblemSummary:
    """How often one kind of problem was met."""

    level: str
    count: Count
    action: str


@dataclass(frozen=True)
class ClassChange:
    """A class that was renamed or dropped as asked."""

    old: str
    new: str | None
    """None where its objects were dropped."""
    objects: Count


def class_changes(changes: Mapping[tuple[str, str], int]) -> tuple[ClassChange, ...]:
    """Objects by old and new class name ('' where dropped), in order."""
    return tuple(ClassChange(old, new or None, count) for (old, new), count in sorted(changes.items()))


@dataclass(frozen=True)
class DatasetSummary:
    """The whole of dataset.json."""

    classes: dict[str, Annotated[int, Range(1, 2**31 - 1)]]
    """Ids by class name, in their order, from 1; with gaps only where a label map that was followed has them."""
    splits: dict[str, SplitSummary]
    format: str
    sources: tuple[str, ...]
    seed: int
    odtool: str
    """Version of odtool that wrote the records."""
    created: str
    """UTC, ISO 8601."""
    problems: dict[str, ProblemSummary] = field(default_factory=dict)
    masks: bool = False
    """Whether the records hold instance masks, as PNGs (image/object/mask)."""
    keypoints: Annotated[int, Range(0, 2**31 - 1)] = 0
    """Keypoints of an object (image/object/keypoint/x and its like); 0 where the records hold none."""
    class_changes: tuple[ClassChange, ...] = ()
    fold: Count = 0
    """Which of the folds this set validates on, from 1; 0 without --folds."""
    folds: Count = 0
    """How many there are; 0 without --folds."""
    fraction: Annotated[float, Range(0, 1)] | None = None
    """Share of the training images that --fraction kept; null where all were."""
    left_out: Count = 0
    """Training images that --fraction left out."""
    balance: Balance | None = None
    max_side: Annotated[int, Range(1, 2**31 - 1)] | None = None
    """Longest side in pixels that larger images were brought to, by --max-side; null where none was asked for."""


def load(dataset: Dataset) -> DatasetSummary:
    """Reads a prepared data set's dataset.json.

    Raises:
        DataError: it is missing or is not what `odtool prepare` writes.
    """
    try:
        return state_files.read(dataset.summary, DatasetSummary)
    except FileNotFoundError:
        if folds := dataset.list_folds():
            raise DataError(
                f"{dataset.path}: holds {len(folds)} folds, each a data set of its own",
                f"Name one of them, such as --data {folds[0].path}",
            ) from None
        raise DataError(f"{dataset.summary}: no such file", "Make records first: odtool prepare SOURCE") from None
    except StateError as error:
        raise DataError(
            f"{dataset.summary}: not written by this odtool: {error}", "Write it again: odtool prepare SOURCE"
        ) from None


def refuse_cut_short(dataset: Dataset, split: str, summary: SplitSummary) -> None:
    """Raises DataError where less of a split is on disk than was written, as after a copy that was broken off."""
    files = dataset.shards(split)
    size = sum(file.stat().st_size for file in files)
    if len(files) < summary.shards or size < summary.bytes:
        raise DataError(
            f"{dataset.path}: {summary.bytes:,} bytes of {split} were written (shards: {summary.shards}), and "
            f"{size:,} are there (shards: {len(files)})",
            "Copy the folder again, or make the records again: odtool prepare SOURCE",
        )


def dump(summary: DatasetSummary) -> str:
    """The text of dataset.json."""
    return json.dumps(asdict(summary), indent=2, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class ShardFigures:
    """What is in one shard; adds up to a split's figures."""

    images: int
    objects: int
    bytes: int
    max_objects: int
    background_images: int
    classes: Counter[str]
    widths: array[int]
    heights: array[int]
    repetitions: int = 0
    """Records that repeat an image; nothing else counts them, but `bytes`."""


class ShardCollector:
    """Counts the images of one shard while it is written."""

    def __init__(self) -> None:
        self._classes: Counter[str] = Counter()
        self._widths = array("L")
        self._heights = array("L")
        self._background = 0
        self._most = 0
        self._repetitions = 0

    def add_repetition(self) -> None:
        self._repetitions += 1

    def add(self, width: int, height: int, labels: Sequence[str]) -> None:
        for label in labels:  # Counter.update would take longer for the few that an image has
            self._classes[label] += 1
        self._widths.append(width)
        self._heights.append(height)
        self._background += not labels
        self._most = max(self._most, len(labels))

    def finish(self, size: int) -> ShardFigures:
        """The figures of a shard of `size` bytes."""
        classes = self._classes
        return ShardFigures(
            len(self._widths),
            classes.total(),
            size,
            self._most,
            self._background,
            classes,
            self._widths,
            self._heights,
            self._repetitions,
        )


def summarise(shards: Iterable[ShardFigures]) -> SplitSummary:
    """The figures of a split from those of its shards; there is at least one image."""
    shards = list(shards)
    classes: Counter[str] = Counter()
    for shard in shards:
        classes.update(shard.classes)
    widths = sorted(width for shard in shards for width in shard.widths)
    heights = sorted(height for shard in shards for height in shard.heights)
    middle = len(widths) // 2
    return SplitSummary(
        images=len(widths),
        objects=classes.total(),
        shards=len(shards),
        bytes=sum(shard.bytes for shard in shards),
        max_objects=max(shard.max_objects for shard in shards),
        mean_objects=round(classes.total() / len(widths), 4),
        background_images=sum(shard.background_images for shard in shards),
        classes=dict(sorted(classes.items())),
        min_size=(widths[0], heights[0]),
        median_size=(widths[middle], heights[middle]),
        max_size=(widths[-1], heights[-1]),
        repetitions=sum(shard.repetitions for shard in shards),
    )
