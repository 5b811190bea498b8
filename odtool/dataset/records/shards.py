"""Shards: how the images of each split are parted among files, and who writes the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from odtool.dataset.progress import Report
from odtool.dataset.records import beam, record_writer
from odtool.dataset.records.record_writer import ShardPlan
from odtool.dataset.records.spool import Index
from odtool.dataset.statistics import ShardFigures
from odtool.dataset.workers import Crew
from odtool.workspace import Dataset

SHARD_BYTES = 32 << 20
"""Image bytes a shard where the number of shards is left to us: large enough to be read in one go, small enough that a
reader can interleave and cores share the work: in the end one waits for another for as long as half a shard takes."""
_MOST_SHARDS = 1000
_ALONE_BYTES = 32 << 20
"""Data sets below this are written before workers would have started where they cannot be forked."""

Plans = dict[str, list[ShardPlan]]
"""By split."""


def plans(
    index: Index,
    assigned: Mapping[str, Sequence[int]],
    stored: Path,
    dataset: Dataset,
    classes: Mapping[str, int],
    *,
    wanted: int | None,
    masks: bool = False,
) -> Plans:
    """What each shard of `dataset` holds.

    Args:
        assigned: positions in the index by split.
        stored: the spool.
        wanted: shards a split; None lets their size decide.
        masks: whether the objects' masks are written.
    """
    made: Plans = {}
    for split, positions in assigned.items():
        count = _count(index, positions, wanted)
        cuts = [len(positions) * number // count for number in range(count + 1)]
        made[split] = [
            ShardPlan(
                dataset.shard(split, number, count),
                stored,
                index.offsets_of(positions[start:end]),
                index.lengths_of(positions[start:end]),
                classes,
                masks,
            )
            for number, (start, end) in enumerate(pairwise(cuts))
        ]
    return made


def _count(index: Index, positions: Sequence[int], wanted: int | None) -> int:
    if wanted is None:
        wanted = -(-sum(index.bytes[position] for position in positions) // SHARD_BYTES)
    return max(1, min(wanted, _MOST_SHARDS, len(positions)))


def write(
    planned: Plans, size: int, workers: Crew, report: Report, *, on_beam: str | None
) -> dict[str, list[ShardFigures]]:
    """Writes all shards; their figures by split.

    Args:
        size: of all images together, in bytes.
        report: called with images and bytes written so far.
        on_beam: options of an Apache Beam pipeline that is to do it in place of the workers.
    """
    every = [(split, plan) for split, of_split in planned.items() for plan in of_split]
    if on_beam is not None:
        done = iter(beam.write([plan for _, plan in every], on_beam))
    else:
        alone = len(every) if size < _ALONE_BYTES else 0
        done = workers.map(record_writer.write_shard, [plan for _, plan in every], alone=alone)
    figures: dict[str, list[ShardFigures]] = {split: [] for split in planned}
    images = written = 0
    for (split, plan), shard in zip(every, done, strict=True):
        figures[split].append(shard)
        images, written = images + len(plan.offsets), written + shard.bytes
        report(images, written)
    return figures
