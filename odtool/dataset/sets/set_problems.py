"""What only a whole set with its splits shows: identical images, and classes that are rare or missing from a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from odtool.dataset.records import spool
from odtool.dataset.records.record_writer import read_image
from odtool.dataset.records.spool import Index
from odtool.dataset.sets.set_plans import SetPlan
from odtool.dataset.survey import coverage
from odtool.dataset.types import Problem


def find_set_problems(
    index: Index, plan: SetPlan, duplicate_groups: Iterable[Sequence[int]], stored: Path, source: Path
) -> Iterator[Problem]:
    """The problems of one set.

    Args:
        duplicate_groups: positions of images with the same bytes.
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
    # What --fraction leaves out is in no split, and nothing of it is written twice.
    written = ([position for position in group if split_of[position]] for group in duplicate_groups)
    with spool.open_spool(stored) as reader:
        yield from coverage.report_duplicates(
            (group for group in written if len(group) > 1),
            split_of,
            lambda position: read_image(reader, index.extent(position)),
        )
    yield from coverage.report_classes(images, list(plan.splits), source)
