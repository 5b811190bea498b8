"""What only a set with its splits shows: images that are alike, and classes that are rare or missing from a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from odtool.dataset.records.spool import Index
from odtool.dataset.sets.set_plans import SetPlan
from odtool.dataset.survey import coverage
from odtool.dataset.survey.resemblance import Resemblance
from odtool.dataset.types import Problem


def find_set_problems(
    index: Index, plan: SetPlan, resemblance: Resemblance, stored: Path, source: Path
) -> Iterator[Problem]:
    """The problems of one set.

    Args:
        resemblance: identical images, and similar ones where they are asked for.
        stored: the spool.
        source: what problems of the whole set name.
    """
    split_of: list[str | None] = [None] * len(index)
    names, numbers_of = sorted(index.names), index.make_class_lookup()
    images: dict[str, Counter[str]] = {name: Counter() for name in names}
    for split in plan.splits:
        for position in plan.list_positions(split):
            split_of[position] = split
            for number in numbers_of(position):
                images[names[number]][split] += 1
    yield from resemblance.report_splits(split_of, stored, index)
    yield from coverage.report_classes(images, list(plan.splits), source)
