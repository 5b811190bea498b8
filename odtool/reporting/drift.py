"""How the evaluation set differs from the training set: classes, sizes of objects and images, objects in an image."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from odtool.dataset.readers.records.tfrecord import tfrecord_example
from odtool.dataset.readers.records.tfrecord.class_lookup import ClassLookup
from odtool.dataset.records import record_reader
from odtool.errors import DataError
from odtool.pipeline import record_patterns
from odtool.pipeline.text import config
from odtool.workspace import Run

MOST_RECORDS = 1000
"""Of each set; more would not be seen in the figures, and take seconds to read."""
_MOST_FILES = 100
"""Of each set, evenly spread; the beginning of a file costs as much as many records."""
_LEAST = 0.1
"""Share that has moved below which a difference is not worth telling."""
_SIZES = (0.02, 0.04, 0.08, 0.16, 0.32, 0.64)
_COUNTS = (0, 1, 2, 5, 10, 20)
_SIDES = (320, 640, 1024, 1920)
_RATIOS = (0.6, 0.9, 1.1, 1.6)
Bins = dict[str, int]


@dataclass
class SetFigures:
    """What was counted in one set."""

    images: int = 0
    is_complete: bool = True
    """Whether all records were looked at."""
    objects: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    """Objects by the root of the share of the image that their box has: what the model sees, whatever it resizes to."""
    counts: Counter[str] = field(default_factory=Counter)
    """Images by number of objects."""
    sides: Counter[str] = field(default_factory=Counter)
    """Images by their longer side in pixels."""
    ratios: Counter[str] = field(default_factory=Counter)
    """Images by width divided by height."""

    def add(self, example: tfrecord_example.Example) -> None:
        """Counts one image."""
        self.images += 1
        self.objects += len(example.objects)
        self.counts[_find_bin(len(example.objects), COUNT_BINS, _COUNTS)] += 1
        self.classes.update(item.label for item in example.objects)
        for item in example.objects:
            # A record's boxes are fractions of its image.
            self.sizes[_find_bin(math.sqrt(max(item.box.area, 0)), SIZE_BINS, _SIZES)] += 1
        if example.size is not None:
            width, height = example.size
            self.sides[_find_bin(max(width, height), SIDE_BINS, _SIDES)] += 1
            self.ratios[_find_bin(width / height if height else 0, RATIO_BINS, _RATIOS)] += 1


SIZE_BINS = ("to 2%", "4%", "8%", "16%", "32%", "64%", "more")
COUNT_BINS = ("0", "1", "2", "3-5", "6-10", "11-20", "more")
SIDE_BINS = ("to 320", "640", "1024", "1920", "more")
RATIO_BINS = ("tall", "0.6-0.9", "square", "1.1-1.6", "wide")


def _find_bin(value: float, names: Sequence[str], ends: Sequence[float]) -> str:
    """The first bin whose end is not below the value."""
    return next((name for name, end in zip(names, ends, strict=False) if value <= end), names[-1])


@dataclass(frozen=True)
class Drift:
    """Both sets."""

    training: SetFigures
    evaluation: SetFigures

    def find_differences(self) -> list[str]:
        """What differs by more than chance and by enough to matter, in words."""
        words = []
        for what, name, bins in (
            ("of the objects are of other classes", "classes", None),
            ("of the objects are of another size in their image", "sizes", SIZE_BINS),
            ("of the images hold another number of objects", "counts", COUNT_BINS),
            ("of the images are of another size", "sides", SIDE_BINS),
            ("of the images are of another shape", "ratios", RATIO_BINS),
        ):
            one, other = getattr(self.training, name), getattr(self.evaluation, name)
            moved = compute_distance(one, other)
            if moved is not None and moved > _LEAST + _estimate_noise(one, other, len(bins or {**one, **other})):
                words.append(f"{moved:.0%} {what} than in training")
        return [*self._find_missing(), *words]

    def _find_missing(self) -> list[str]:
        unlearnt = [name for name in self.evaluation.classes if name not in self.training.classes]
        untested = [name for name in self.training.classes if name not in self.evaluation.classes]
        sampled = "" if self.training.is_complete and self.evaluation.is_complete else " of the records looked at"
        return [
            *([f"in the evaluation set{sampled} alone: {_list(unlearnt)}"] if unlearnt else []),
            *([f"in the training set{sampled} alone: {_list(untested)}"] if untested else []),
        ]


def _list(names: Sequence[str], most: int = 8) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest:,} more classes" if rest > 0 else "")


def compute_distance(one: Mapping[str, int], other: Mapping[str, int]) -> float | None:
    """The share of one set that would have to be moved to other bins to be like the other; None where one is empty."""
    totals = sum(one.values()), sum(other.values())
    if not all(totals):
        return None
    return sum(abs(one.get(name, 0) / totals[0] - other.get(name, 0) / totals[1]) for name in {**one, **other}) / 2


def _estimate_noise(one: Mapping[str, int], other: Mapping[str, int], bins: int) -> float:
    """About twice the distance that two samples of these sizes have by chance alone."""
    smaller = min(sum(one.values()), sum(other.values()))
    return math.sqrt(bins / (2 * smaller)) if smaller else 0


def read(run: Run) -> Drift:
    """Looks at records of a run's training set and of its first evaluation set.

    Raises:
        OdtoolError: there are no records of one of them, or they are damaged.
    """
    message = config.load(run.pipeline_config).message
    sets = []
    for name, readers in (("training", [message.train_input_reader]), ("evaluation", message.eval_input_reader[:1])):
        files = record_patterns.find_files(*readers)
        if not files:
            raise DataError(f"{run.pipeline_config}: its {name} records are not there", "Prepare some: odtool prepare")
        sets.append(count(files, ClassLookup(Path(readers[0].label_map_path))))
    return Drift(*sets)


def count(files: Sequence[Path], classes: ClassLookup, *, most: int = MOST_RECORDS) -> SetFigures:
    """The figures of a set, of the first records of each file where there are more than `most`."""
    chosen = files[:: -(-len(files) // _MOST_FILES) or 1]
    figures = SetFigures(is_complete=len(chosen) == len(files))
    quota = -(-most // max(len(chosen), 1))
    for path in chosen:
        for record in record_reader.read_records(path):
            if record.number > quota:
                figures.is_complete = False
                break
            example = tfrecord_example.parse(record.data, path, record.number, classes)
            if not example.repetition:
                figures.add(example)
    return figures


def to_json(drift: Drift) -> dict[str, object]:
    """The figures as --json has them."""

    def describe(figures: SetFigures) -> dict[str, object]:
        return {"images": figures.images, "objects": figures.objects, "complete": figures.is_complete} | {
            "classes": dict(figures.classes),
            "object_sizes": _arrange(figures.sizes, SIZE_BINS),
            "objects_per_image": _arrange(figures.counts, COUNT_BINS),
            "image_sides": _arrange(figures.sides, SIDE_BINS),
            "image_shapes": _arrange(figures.ratios, RATIO_BINS),
        }

    return {
        "training": describe(drift.training),
        "evaluation": describe(drift.evaluation),
        "differences": drift.find_differences(),
    }


def _arrange(counts: Mapping[str, int], bins: Iterable[str]) -> Bins:
    return {name: counts.get(name, 0) for name in bins}
